"""`export()` and its streams, in every way that the release at hand can read them."""

from session import answer, client, given, raised

project = client.get_project(given["project_id"])
run = client.get_model_run(given["model_run_id"])
dataset = client.get_dataset(given["dataset_id"])
found = {}


def done(task):
    task.wait_till_done()
    assert str(task.status) in ("COMPLETE", "TaskStatus.Complete"), task.status
    return task


def rows(task):
    return [output.json for output in done(task).get_buffered_stream()]


from labelbox import DataRow  # noqa: E402 -- after what needs no more than a client
from labelbox.schema.export_task import StreamType  # noqa: E402

task = done(project.export(params=given["params"], filters=given["filters"], task_name="my export"))
found["project"] = rows(task)
handled = []
task.get_buffered_stream(stream_type=StreamType.RESULT).start(stream_handler=handled.append)
found["handled"] = [output.json for output in handled]
found["header"] = {
    "lines": task.get_total_lines(StreamType.RESULT),
    "size": task.get_total_file_size(StreamType.RESULT),
    "has_result": task.has_result(),
    "has_errors": task.has_errors(),
    "name": task.name,
    "again": [output.json for output in type(task).get_task(client, task.uid).get_buffered_stream()]
    == found["project"],
}

if hasattr(task, "get_stream"):  # up to 5.x
    import json

    from labelbox.schema.export_task import JsonConverter

    plain = task.get_stream(converter=JsonConverter(), stream_type=StreamType.RESULT)
    outputs = list(plain)
    found["stream"] = [json.loads(output.json_str) for output in outputs]
    middle = outputs[len(outputs) // 2]
    found["from_offset"] = [
        json.loads(output.json_str) for output in task.get_stream().with_offset(middle.current_offset)
    ]
    found["from_line"] = [
        json.loads(output.json_str) for output in task.get_stream().with_line(middle.current_line)
    ]
    found["middle"] = len(outputs) // 2

nothing = done(project.export(filters={"global_keys": ["no such key"]}))
found["nothing"] = {
    "has_result": nothing.has_result(),
    "has_errors": nothing.has_errors(),
    "lines": nothing.get_total_lines(StreamType.RESULT),
    "size": nothing.get_total_file_size(StreamType.RESULT),
    "stream": raised(nothing.get_buffered_stream),
}
empty = done(project.export_v2(filters={"global_keys": ["no such key"]}))
found["empty_v2"] = {"result": empty.result, "errors": empty.errors}

params = given["params"]
found["run"] = rows(run.export(params={**params, "predictions": True, "model_run_details": True}))
found["run_v2"] = done(run.export_v2(params={**params, "predictions": True})).result
catalog = {**params, "project_ids": [project.uid], "model_run_ids": [run.uid], "predictions": True}
found["dataset"] = rows(dataset.export(params=catalog))
keys = [row["data_row"]["global_key"] for row in found["project"]][:3]
ids = [row["data_row"]["id"] for row in found["project"]][:3]
found["keys"] = keys
found["by_keys"] = rows(
    DataRow.export(client, global_keys=keys, params={**params, "project_ids": [project.uid]})
)
found["by_ids"] = rows(DataRow.export(client, data_rows=ids, params={**params, "all_projects": True}))
found["catalog"] = rows(client.get_catalog().export(params={**params, "all_projects": True}))
found["catalog_some"] = rows(
    client.get_catalog().export(
        filters={"global_keys": keys}, params={**params, "project_ids": [project.uid]}
    )
)
if hasattr(client, "get_task_by_id"):
    found["by_id"] = client.get_task_by_id(task.uid).uid == task.uid
answer(**found)
