"""Every public call that an image project has use for, each on its own: what was called, what it raised."""

import inspect
import json
import warnings

import labelbox
from labelbox import DataRow, Label, LabelImport, MALPredictionImport, OntologyBuilder, Webhook
from labelbox.schema.data_row_metadata import (
    DataRowMetadata,
    DataRowMetadataField,
    DataRowMetadataKind,
    DeleteDataRowMetadata,
)
from labelbox.schema.media_type import MediaType
from session import answer, client, given

warnings.simplefilter("ignore")
OLDEST = given["version"].startswith("3.5")
called, failed, values = set(), {}, {}


def attempt(about, call, /, *arguments, **named):
    """Call something, whatever comes of it."""
    try:
        found = call(*arguments, **named)
        return list(found) if type(found).__name__ == "PaginatedCollection" else found
    except Exception as error:
        failed[about] = [type(error).__name__, str(error)[:400]]
        return None


def on(thing, method, /, *arguments, **named):
    """Call a method, where the release has it."""
    kind = thing if inspect.isclass(thing) else type(thing)
    if not hasattr(thing, method):
        return None
    called.add(f"{kind.__name__}.{method}")
    return attempt(f"{kind.__name__}.{method}", getattr(thing, method), *arguments, **named)


def waited(task):
    """A task that is done."""
    for name in ("wait_till_done", "wait_until_done"):
        if task is not None and hasattr(task, name):
            on(task, name)
            return task
    return task


def ids(some):
    if OLDEST:
        return some
    from labelbox import UniqueIds

    return UniqueIds(some)


# -- the organisation

organization, user = on(client, "get_organization"), on(client, "get_user")
on(client, "get_users")
roles = on(client, "get_roles")
on(user, "org_role")
on(user, "created_tasks")
on(user, "projects")
on(organization, "users")
on(organization, "projects")
on(organization, "webhooks")
on(organization, "invite_limit")
on(organization, "get_iam_integrations")
on(organization, "get_default_iam_integration")
tag = on(organization, "create_resource_tag", {"text": "spring", "color": "#00ff00"})
on(organization, "get_resource_tags")
on(organization, "tasks")
invite = on(organization, "invite_user", "ann@example.com", roles["LABELER"])
on(organization, "get_invites")
on(organization, "invite_users", ["bob@example.com", "nobody"], roles["LABELER"])
if invite is not None:
    on(invite, "cancel")

# -- metadata

metadata = on(client, "get_data_row_metadata_ontology")
number = on(metadata, "create_schema", "height", DataRowMetadataKind.number)
chosen = on(metadata, "create_schema", "gate", DataRowMetadataKind.enum, ["a", "b"])
on(metadata, "update_schema", "height", "altitude")
on(metadata, "update_enum_option", "gate", "a", "c")
on(metadata, "refresh_ontology")
on(metadata, "get_by_name", "altitude")
fields = [
    {"name": "altitude", "value": 3.5},
    {"name": "gate", "value": "c"},
    {"name": "tag", "value": "dusk"},
]
on(metadata, "parse_metadata_fields", [])

# -- datasets and data rows

dataset = on(client, "create_dataset", name="all")
on(dataset, "update", name="all of it")
on(client, "get_dataset", dataset.uid)
on(client, "get_datasets")
rows = [{"row_data": f"https://example.org/{n}.png", "global_key": f"key {n}"} for n in range(8)]
rows[0]["metadata_fields"] = fields
rows[0]["attachments"] = [{"type": "RAW_TEXT", "value": "words", "name": "note"}]
rows[0]["external_id"] = rows[1]["external_id"] = "outside"
task = waited(on(dataset, "create_data_rows", rows))
for name in ("errors", "result", "created_data_rows", "failed_data_rows"):
    attempt(f"Task.{name}", lambda name=name: getattr(task, name))
on(client, "get_task_by_id", task.uid)
on(client, "cancel_task", task.uid)
on(dataset, "create_data_rows_sync", [{"row_data": "https://example.org/sync.png", "global_key": "sync"}])
single = on(dataset, "create_data_row", row_data="https://example.org/one.png", global_key="one")
if not OLDEST:
    from labelbox import GlobalKey

    again = {"key": GlobalKey("one"), "external_id": "named"}
    again = waited(on(dataset, "upsert_data_rows", [again]))
    attempt("DataUpsertTask.errors", lambda: again.errors)
    values["upsert"] = str(again.errors)
    again = {
        "key": GlobalKey("key 0"),
        "global_key": "key zero",
        "metadata_fields": [{"name": "tag", "value": "noon"}],
    }
    again = waited(on(dataset, "upsert_data_rows", [again]))
    values["renamed"] = str(again.errors)
    values["renamed row"] = [
        [one.global_key, len(one.metadata_fields), len(list(one.attachments()))]
        for one in dataset.data_rows()
        if one.uid == single.uid or one.external_id == "outside"
    ]
    waited(on(dataset, "upsert_data_rows", [{"key": GlobalKey("key zero"), "global_key": "key 0"}]))
data_rows = on(dataset, "data_rows")
by_key = {row.global_key: row for row in data_rows}
first = by_key["key 0"]
on(dataset, "data_rows_for_external_id", "outside")
on(dataset, "data_row_for_external_id", "outside")
on(client, "get_data_row", first.uid)
on(client, "get_data_row_by_global_key", "key 0")
on(client, "get_data_row_ids_for_external_ids", ["outside"])
on(client, "get_data_row_ids_for_global_keys", ["key 0"])
on(client, "clear_global_keys", ["sync"])
on(
    client,
    "assign_global_keys_to_data_rows",
    [{"data_row_id": by_key["key 7"].uid, "global_key": "key seven"}],
)
on(first, "update", external_id="new")
attached = on(first, "create_attachment", "IMAGE_OVERLAY", "https://example.org/over.png", "over")
on(attached, "update", value="https://example.org/under.png", name="under")
on(first, "attachments")
on(attached, "delete")
for relation in ("dataset", "created_by", "organization", "labels"):
    on(first, relation)
for relation in ("created_by", "organization", "projects"):
    on(dataset, relation)
on(
    metadata,
    "bulk_upsert",
    [DataRowMetadata(data_row_id=first.uid, fields=[DataRowMetadataField(name="tag", value="dawn")])],
)
on(metadata, "bulk_export", [first.uid])
tag_id = next(field.uid for field in metadata.reserved_fields if field.name == "tag")
on(metadata, "bulk_delete", [DeleteDataRowMetadata(data_row_id=first.uid, fields=[tag_id])])

# -- ontologies

tool = {"tool": "rectangle", "name": "car", "color": "#ff0000", "required": False, "classifications": []}
question = {
    "type": "radio",
    "name": "day",
    "instructions": "day",
    "required": False,
    "scope": "global",
    "options": [{"label": "yes", "value": "yes"}, {"label": "no", "value": "no"}],
}
schema = on(client, "create_feature_schema", dict(tool, name="lorry"))
loose = on(client, "create_feature_schema", dict(tool, name="loose"))
ontology = on(
    client,
    "create_ontology",
    "all",
    {"tools": [tool], "classifications": [question]},
    media_type=MediaType.Image,
)
other = on(
    client,
    "create_ontology_from_feature_schemas",
    "from schemas",
    [schema.uid],
    media_type=MediaType.Image,
)
on(client, "get_ontology", ontology.uid)
on(client, "get_ontologies", "all")
on(client, "get_feature_schema", schema.uid)
on(client, "get_feature_schemas", "lorry")
on(client, "update_feature_schema_title", schema.uid, "truck")
on(client, "upsert_feature_schema", dict(tool, name="fresh"))
on(client, "insert_feature_schema_into_ontology", loose.uid, other.uid, 1)
on(client, "is_feature_schema_archived", other.uid, loose.uid)
on(client, "delete_feature_schema_from_ontology", other.uid, loose.uid)
on(client, "get_unused_ontologies")
on(client, "get_unused_feature_schemas")
on(client, "delete_unused_feature_schema", loose.uid)
on(ontology, "tools")
on(ontology, "classifications")
on(ontology, "projects")
on(ontology, "created_by")
attempt("OntologyBuilder.from_ontology", OntologyBuilder.from_ontology, ontology)

# -- a project

if OLDEST:
    from labelbox.schema.queue_mode import QueueMode

    project = on(client, "create_project", name="all", media_type=MediaType.Image, queue_mode=QueueMode.Batch)
    on(project, "setup_editor", ontology)
else:
    project = on(client, "create_project", name="all", media_type=MediaType.Image)
    on(project, "connect_ontology", ontology)
attempt("OntologyBuilder.from_project", OntologyBuilder.from_project, project)
on(client, "get_project", project.uid)
on(client, "get_projects")
on(client, "get_labeling_frontends")
on(project, "update", description="changed")
for relation in (
    "created_by",
    "organization",
    "labeling_frontend",
    "ontology",
    "labeling_frontend_options",
    "labeling_parameter_overrides",
    "webhooks",
    "benchmarks",
    "datasets",
):
    on(project, relation)
keys = [f"key {n}" for n in range(7)]
batch = on(project, "create_batch", "first", global_keys=keys[:4], priority=2)
few = waited(on(project, "create_batches", "many", global_keys=keys[4:6]))
whole = on(client, "create_dataset", name="whole")
waited(on(whole, "create_data_rows", [{"row_data": "https://example.org/w.png", "global_key": "w"}]))
waited(on(project, "create_batches_from_dataset", "dataset", whole.uid))
on(project, "batches")
on(client, "get_batch", project.uid, batch.uid)
on(batch, "project")
on(project, "get_queue_mode")
on(project, "members")
on(project, "upsert_instructions", given["instructions"])
on(project, "enable_model_assisted_labeling")
on(project, "update_project_resource_tags", [tag.uid])
on(project, "get_resource_tags")
on(project, "get_project_invites")
on(organization, "get_project_invites", project.uid)
on(project, "extend_reservations", "LabelingQueue")
on(project, "upsert_review_queue", 0.5)
on(project, "review_metrics", None)
on(project, "labeler_performance")
on(project, "get_label_count")
on(project, "bulk_import_requests")
if OLDEST:
    on(project, "set_labeling_parameter_overrides", [(by_key["key 0"], 1)])
    on(project, "unset_labeling_parameter_overrides", [by_key["key 0"]])
else:
    from labelbox import UniqueId

    on(project, "set_labeling_parameter_overrides", [(UniqueId(first.uid), 1)])
on(project, "update_data_row_labeling_priority", ids([first.uid]), 2)
on(project, "clone")

# -- labels

boxed = [
    {
        "uuid": f"00000000-0000-4000-8000-00000000000{n}",
        "name": "car",
        "dataRow": {"globalKey": key},
        "bbox": {"top": 1, "left": 1, "height": 5, "width": 5},
    }
    for n, key in enumerate(keys[:4])
]
for kind, name in ((LabelImport, "labels"), (MALPredictionImport, "before")):
    done = waited(on(kind, "create_from_objects", client, project.uid, name, boxed))
    for told in ("inputs", "errors", "statuses"):
        attempt(f"{kind.__name__}.{told}", lambda done=done, told=told: getattr(done, told))
    on(kind, "from_name", client, project.uid, name)
    on(done, "refresh")
    if kind is MALPredictionImport:
        waited(on(kind, "create_from_url", client, project.uid, "by address", done.input_file_url))
        on(done, "delete")
with open("lines.ndjson", "w") as file:
    file.write("\n".join(json.dumps(line) for line in boxed[:1]))
waited(on(MALPredictionImport, "create_from_file", client, project.uid, "file", "lines.ndjson"))
on(project, "get_label_imports")
on(project, "get_mal_prediction_imports")
if hasattr(project, "upload_annotations"):
    bulk = waited(on(project, "upload_annotations", "bulk", boxed))
    for told in ("inputs", "errors", "statuses"):
        attempt(f"BulkImportRequest.{told}", lambda told=told: getattr(bulk, told))
    on(bulk, "delete")
labels = on(project, "labels")
label = labels[0]
for relation in ("project", "data_row", "created_by", "reviews"):
    on(label, relation)
review = on(label, "create_review", score=1.0)
for relation in ("label", "project", "organization", "created_by"):
    on(review, relation)
on(first, "get_winning_label_id", project.uid)
mark = on(label, "create_benchmark")
for relation in ("created_by", "reference_label"):
    on(mark, relation)
on(project, "benchmarks")
on(mark, "delete")
on(label, "update", label="{}")
on(project, "export_issues", "Open")
on(project, "label_generator") if given["version"].startswith("3.") else None
queues = on(project, "task_queues")
review_queue = next(one for one in queues if one.queue_type == "MANUAL_REVIEW_QUEUE")
on(project, "move_data_rows_to_task_queue", ids([first.uid]), review_queue.uid)
on(project, "clear_queue_reservations", review_queue.uid)
on(project, "bulk_assign_data_rows", user.uid, [by_key["key 4"].uid])
on(project, "get_overview")
on(project, "get_overview", details=True)
hook = on(Webhook, "create", client, ["LABEL_CREATED"], "https://example.org/hook", "a secret", project)
on(hook, "update", url="https://example.org/other")
on(hook, "delete")

# -- models

model = on(client, "create_model", "detector", ontology.uid)
on(client, "get_model", model.uid)
on(client, "get_models")
run = on(model, "create_model_run", "run", {"epochs": 1})
on(model, "model_runs")
on(client, "get_model_run", run.uid)
on(run, "upsert_labels", project_id=project.uid)
on(run, "upsert_labels", label_ids=[label.uid])
on(run, "upsert_data_rows", global_keys=["key 0", "key 5"])
done = waited(on(run, "add_predictions", "predictions", [dict(boxed[0], uuid="a" * 8)]))
attempt("MEAPredictionImport.statuses", lambda: done.statuses)
on(type(done), "from_name", client, run.uid, "predictions")
on(run, "upsert_predictions_and_send_to_project", "sent", [dict(boxed[0], uuid="b" * 8)], project.uid)
on(run, "assign_data_rows_to_split", [first.uid], "TRAINING")
on(run, "update_status", "COMPLETE")
on(run, "update_config", {"epochs": 2})
on(run, "get_config")
on(run, "reset_config")
members = on(run, "model_run_data_rows")
attempt("ModelRunDataRow.url", lambda: members[0].url)
on(run, "refresh_cost_and_usage")

# -- sending on

target = on(
    client,
    "create_project",
    name="target",
    **(
        {"media_type": MediaType.Image, "queue_mode": QueueMode.Batch}
        if OLDEST
        else {"media_type": MediaType.Image}
    ),
)
on(target, "setup_editor" if OLDEST else "connect_ontology", ontology)
send = {
    "source_project_id": project.uid,
    "annotations_ontology_mapping": {},
    "override_existing_annotations_rule": None,
    "batch_priority": 3,
}
if not OLDEST:
    from labelbox.schema.conflict_resolution_strategy import ConflictResolutionStrategy

    send["override_existing_annotations_rule"] = ConflictResolutionStrategy.OverrideWithAnnotations
    waited(
        on(
            client,
            "send_to_annotate_from_catalog",
            destination_project_id=target.uid,
            task_queue_id=None,
            batch_name="sent",
            data_rows=ids([first.uid]),
            params=dict(send, include_annotations=True),
        )
    )
    waited(
        on(
            run,
            "send_to_annotate_from_model",
            destination_project_id=target.uid,
            task_queue_id=None,
            batch_name="from the model",
            data_rows=ids([by_key["key 5"].uid]),
            params={"override_existing_annotations_rule": send["override_existing_annotations_rule"]},
        )
    )

# -- slices

on(client, "get_catalog_slices")
part = on(client, "get_catalog_slice", given["slice_id"])
on(part, "get_data_row_ids")
on(part, "get_data_row_identifiers")
of_run = on(client, "get_model_slice", given["slice_id"])
found_ids = on(of_run, "get_data_row_ids", *(() if OLDEST else (run.uid,)))
values["model_slice"] = sorted(str(one) for one in found_ids or ())
values["run_rows"] = sorted(one.data_row().uid for one in members)
on(of_run, "get_data_row_identifiers", run.uid)

# -- exports

catalog = on(client, "get_catalog")
for thing in (project, dataset, run, part, catalog):
    for name in ("export_v2", "export"):
        if thing is not None and hasattr(thing, name):
            task = waited(on(thing, name))
            if task is None:
                continue
            for told in ("has_result", "has_errors", "get_total_file_size", "get_total_lines"):
                if hasattr(task, told) and type(task).__name__ == "ExportTask":
                    streams = (
                        () if told.startswith("has") else (labelbox.schema.export_task.StreamType.RESULT,)
                    )
                    on(task, told, *streams)
            if type(task).__name__ == "ExportTask" and name == "export":
                stream = on(task, "get_buffered_stream")
                attempt("BufferedStream", lambda stream=stream: [one.json for one in stream])
                stream = on(task, "get_stream")
                if stream is not None:
                    attempt("Stream", lambda stream=stream: [one.json_str for one in stream])
            elif type(task).__name__ == "Task":
                attempt("Task.result", lambda task=task: task.result)
for name in ("export_v2", "export"):
    if hasattr(DataRow, name):
        waited(on(DataRow, name, client, data_rows=[first.uid]))
on(project, "export_labels", download=True) if hasattr(project, "export_labels") else None
on(project, "export_queued_data_rows")
on(dataset, "export_data_rows")
on(batch, "export_data_rows")
on(run, "export_labels", download=True) if hasattr(run, "export_labels") else None

# -- embeddings

on(client, "get_embeddings")

# -- taking away

on(run, "delete_model_run_data_rows", [first.uid])
on(run, "delete")
on(model, "delete")
on(Label, "bulk_delete", labels[:1])
on(project, "delete_labels_by_user", user.uid)
on(batch, "delete_labels")
on(batch, "remove_queued_data_rows")
on(batch, "delete")
on(DataRow, "bulk_delete", [by_key["key 6"]])
colleague = next(one for one in on(organization, "users") if one.uid != user.uid)
on(colleague, "org_role")
on(colleague, "update_org_role", roles["REVIEWER"])
values["role"] = colleague.org_role().name
on(client, "delete_project_memberships", project.uid, [user.uid])
on(organization, "remove_user", colleague)
on(metadata, "delete_schema", "gate")
on(project, "delete")
on(other, "delete") if hasattr(other, "delete") else None
on(client, "delete_unused_ontology", other.uid)
on(dataset, "delete")

answer(failed=failed, called=sorted(called), values=values)
