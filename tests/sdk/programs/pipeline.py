"""A project from nothing to every export, in the calls that the release at hand has for it."""

import urllib.request

from labelbox import DataRow, LabelImport, MALPredictionImport, OntologyBuilder
from labelbox.schema.data_row_metadata import DataRowMetadata, DataRowMetadataField, DataRowMetadataKind
from labelbox.schema.media_type import MediaType
from session import answer, client, given, raised

OLD = given["version"].startswith("3.")
found = {}
rows = given["rows"]

# -- metadata schemas, a dataset, its data rows by every upload that there is

metadata = client.get_data_row_metadata_ontology()
for schema in given["schemas"]:
    metadata.create_schema(schema["name"], DataRowMetadataKind[schema["kind"]], schema.get("options"))
found["reserved"] = {field.name: field.uid for field in metadata.reserved_fields}
found["custom"] = sorted(field.name for field in metadata.custom_fields)

dataset = client.create_dataset(name="from nothing", description="made by the SDK")
found["dataset"] = {"id": dataset.uid, "name": dataset.name, "description": dataset.description}


def with_metadata(row):
    fields = [{"name": name, "value": value} for name, value in row.pop("metadata", {}).items()]
    return {**row, **({"metadata_fields": fields} if fields else {})}


task = dataset.create_data_rows([with_metadata(row) for row in rows[:2]])
task.wait_till_done()
found["rows_task"] = {
    "errors": task.errors,
    "created": task.created_data_rows,
    "failed": task.failed_data_rows,
}
if OLD:
    dataset.create_data_rows_sync([with_metadata(rows[2])])
else:
    task = dataset.upsert_data_rows([with_metadata(rows[2])])
    task.wait_till_done()
    found["upsert_errors"] = task.errors
single = dataset.create_data_row(**with_metadata(rows[3]))
found["single"] = {"id": single.uid, "global_key": single.global_key, "media": single.media_attributes}

again = dataset.create_data_rows(
    [{"row_data": "https://example.org/again.png", "global_key": rows[0]["global_key"]}]
)
again.wait_till_done()
found["again"] = {"errors": again.errors, "failed": again.failed_data_rows}

listed = {row.global_key: row for row in dataset.data_rows()}
ids = {key: row.uid for key, row in listed.items()}
found["ids"] = ids
found["listed"] = {
    key: {
        "external_id": row.external_id,
        "media": row.media_attributes,
        "bytes": urllib.request.urlopen(row.row_data).read().hex()
        if row.row_data.startswith(given["url"])
        else None,
        "attachments": sorted(
            (
                one.attachment_type.value if hasattr(one.attachment_type, "value") else one.attachment_type,
                one.attachment_value,
            )
            for one in row.attachments()
        ),
    }
    for key, row in listed.items()
}
keys = list(ids)
found["by_keys"] = client.get_data_row_ids_for_global_keys([*keys, "no such key"])
found["count"] = client.get_dataset(dataset.uid).row_count

# -- more metadata and an attachment for a row that is there

second = listed[rows[1]["global_key"]]
errors = metadata.bulk_upsert(
    [DataRowMetadata(data_row_id=second.uid, fields=[DataRowMetadataField(name="tag", value="dusk")])]
)
found["upsert_metadata"] = [error.error for error in errors]
second.create_attachment(attachment_type="RAW_TEXT", attachment_value="added later")
(exported,) = metadata.bulk_export([second.uid])
found["exported_metadata"] = [[field.name, field.value] for field in exported.fields]

# -- an ontology, a project, a batch

ontology = client.create_ontology("street", given["ontology"], media_type=MediaType.Image)
found["normalized"] = ontology.normalized
found["rebuilt"] = OntologyBuilder.from_ontology(ontology).asdict()
found["schemas_of_ontology"] = [ontology.object_schema_count, ontology.classification_schema_count]

if OLD:
    from labelbox.schema.queue_mode import QueueMode

    project = client.create_project(
        name="from nothing", description="all of it", media_type=MediaType.Image, queue_mode=QueueMode.Batch
    )
    project.setup_editor(ontology)
else:
    project = client.create_project(name="from nothing", description="all of it", media_type=MediaType.Image)
    project.connect_ontology(ontology)
found["project"] = {
    "id": project.uid,
    "name": project.name,
    "description": project.description,
    "ontology": project.ontology().uid == ontology.uid,
    "queues": sorted(queue.queue_type for queue in project.task_queues()),
}
batch = project.create_batch("first", list(ids.values()), priority=2)
found["batch"] = {
    "id": batch.uid,
    "name": batch.name,
    "size": batch.size,
    "failed": list(batch.failed_data_row_ids),
}
found["from_project"] = [OntologyBuilder.from_project(project).asdict(), project.ontology().normalized]
found["batches"] = [one.name for one in project.batches()]
found["batch_again"] = raised(project.create_batch, "first", list(ids.values()))
found["mal_on"] = project.enable_model_assisted_labeling()

# -- labels, pre-labels

address = client.upload_data(
    bytes.fromhex(given["coloured"]), filename="mask.png", content_type="image/png", sign=True
)
found["uploaded"] = urllib.request.urlopen(address).read().hex() == given["coloured"]


def addressed(lines):
    for line in lines:
        if line.get("mask", {}).get("instanceURI") == "<coloured>":
            line["mask"]["instanceURI"] = address
    return lines


def told(job):
    state_at_first = job.state.value
    job.wait_until_done()
    return {
        "first": state_at_first,
        "state": job.state.value,
        "errors": job.errors,
        "statuses": job.statuses,
        "inputs": job.inputs,
        "name": job.name,
        "progress": job.progress,
    }


labels = addressed(given["labels"])
found["label_lines"] = labels
found["label_import"] = told(LabelImport.create_from_objects(client, project.uid, "labels", labels))
found["by_name"] = LabelImport.from_name(client, project.uid, "labels").state.value
found["bad_import"] = told(LabelImport.create_from_objects(client, project.uid, "bad", given["bad"]))
found["pre_labels"] = told(
    MALPredictionImport.create_from_objects(client, project.uid, "before", given["linked"])
)
found["labels"] = [
    {"id": label.uid, "row": label.data_row().uid, "by": label.created_by().email}
    for label in project.labels()
]

# -- a model, a run, predictions, a split

model = client.create_model("detector", ontology.uid)
run = model.create_model_run("first run", {"epochs": 3})
found["model"] = {"id": model.uid, "run": run.uid, "config": run.get_config()}
run.upsert_labels(project_id=project.uid)
run.upsert_data_rows(global_keys=[rows[2]["global_key"]])
found["predictions"] = told(run.add_predictions("predictions", addressed(given["predictions"])))
for split, some in given["splits"].items():
    run.assign_data_rows_to_split([ids[key] for key in some], split)
run.update_config({"epochs": 4, "rate": 0.5})
found["config"] = run.get_config()
found["run_rows"] = {row.data_row().uid: row.data_split.value for row in run.model_run_data_rows()}

# -- every export

params = given["params"]


def whole(task):
    task.wait_till_done()
    assert not task.errors, task.errors
    return task.result


catalog = {**params, "project_ids": [project.uid], "model_run_ids": [run.uid], "predictions": True}
found["export_project"] = whole(project.export_v2(params=params))
found["export_dataset"] = whole(dataset.export_v2(params=catalog))
found["export_rows"] = whole(DataRow.export_v2(client, data_rows=list(ids.values()), params=catalog))
found["export_keys"] = whole(DataRow.export_v2(client, global_keys=keys, params=catalog))
found["export_run"] = whole(run.export_v2(params={**params, "predictions": True, "model_run_details": True}))
if OLD:
    found["v1"] = project.export_labels(download=True)
    found["run_v1"] = run.export_labels(download=True)
    found["dataset_rows"] = [row.global_key for row in dataset.export_data_rows(include_metadata=True)]
    found["batch_rows"] = [row.global_key for row in batch.export_data_rows(include_metadata=True)]
    found["generated"] = len(list(project.label_generator())) if given.get("generate") else None
else:
    from labelbox.schema.export_task import StreamType

    found["export_catalog"] = whole(client.get_catalog().export_v2(params=catalog))

    def streamed(task):
        task.wait_till_done()
        assert not task.has_errors()
        return [output.json for output in task.get_buffered_stream(StreamType.RESULT)]

    found["stream_project"] = streamed(project.export(params=params))
    found["stream_dataset"] = streamed(dataset.export(params=catalog))
    found["stream_run"] = streamed(
        run.export(params={**params, "predictions": True, "model_run_details": True})
    )
    found["stream_catalog"] = streamed(client.get_catalog().export(params=catalog))


def fetched(url):
    request = urllib.request.Request(url, headers=client.headers)
    return urllib.request.urlopen(request).read().hex()


found["masks"] = {
    drawn["feature_id"]: [row["data_row"]["global_key"], fetched(drawn["mask"]["url"])]
    for row in found["export_project"]
    for label in row["projects"][project.uid]["labels"]
    for drawn in label["annotations"]["objects"]
    if "mask" in drawn
}
found["predicted_masks"] = [
    [row["data_row"]["global_key"], fetched(drawn["mask"]["url"])]
    for row in found["export_run"]
    for label in row["experiments"][model.uid]["runs"][run.uid]["predictions"]
    for drawn in label["annotations"]["objects"]
    if "mask" in drawn
]
answer(**found)
