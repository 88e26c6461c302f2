"""What goes wrong, and what the release at hand makes of the server's answer."""

import time

from labelbox import Dataset
from session import answer, client, connect, given, raised

project = client.get_project(given["project_id"])
reader = connect(given["reader"])
begun = time.monotonic()
found = {
    "bad key": raised(connect("no such key").get_project, given["project_id"]),
    "no project": raised(client.get_project, "c" + "0" * 24),
    "no dataset": raised(client.get_dataset, "c" + "0" * 24),
    "no model run": raised(client.get_model_run, "00000000-0000-4000-8000-000000000000"),
    "unknown field": raised(client.execute, 'query xPyApi {project(where: {id: "x"}) {bbb}}', {}),
    "syntax": raised(client.execute, "query xPyApi {project", {}),
    "reader writes": raised(reader.create_dataset, name="not allowed"),
    "reader reads": raised(reader.get_project, given["project_id"]),
    "other organisation": raised(connect(given["stranger"]).get_project, given["project_id"]),
    "deleted": raised(
        lambda: [client.get_dataset(one.uid) for one in [client.create_dataset(name="x")] if not one.delete()]
    ),
    "batch of nothing known": raised(project.create_batch, "nothing", ["c" + "0" * 24]),
    "batch priority": raised(project.create_batch, "urgent", given["data_row_ids"], priority=9),
    "ontology": raised(
        client.create_ontology, "wrong", {"tools": [{"tool": "rectangle"}], "classifications": []}
    ),
    "no datasets": [one.name for one in client.get_datasets(where=Dataset.name == "no such name")],
}
found["seconds"] = time.monotonic() - begun
answer(**found)
