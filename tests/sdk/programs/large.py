"""A large export as a stream: every row is parsed, none is kept."""

import hashlib
import resource
import time

from labelbox.schema.export_task import StreamType
from session import answer, client, given

project = client.get_project(given["project_id"])
begun = time.monotonic()
task = project.export(params=given["params"])
task.wait_till_done()
exported = time.monotonic()
rows = annotations = 0
ids = hashlib.sha256()
first = None
for output in task.get_buffered_stream(StreamType.RESULT):
    first = first or time.monotonic()
    row = output.json
    rows += 1
    ids.update(row["data_row"]["id"].encode())
    for label in row["projects"][project.uid]["labels"]:
        annotations += len(label["annotations"]["objects"])
answer(
    task_id=task.uid,
    rows=rows,
    annotations=annotations,
    ids=ids.hexdigest(),
    lines=task.get_total_lines(StreamType.RESULT),
    size=task.get_total_file_size(StreamType.RESULT),
    seconds={"export": exported - begun, "stream": time.monotonic() - exported},
    peak=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
)
