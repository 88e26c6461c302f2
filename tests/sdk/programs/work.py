"""Work on a project that is there: queues, priorities, reviews, benchmarks, batches, tags."""

from labelbox import Label, Project
from session import answer, client, given, raised

OLD = given["version"].startswith("3.5")
project = client.get_project(given["project_id"])
found = {}


def ids(some):
    if OLD:
        return some
    from labelbox import UniqueIds

    return UniqueIds(some)


# -- whoever asks, and what there is

user, organization = client.get_user(), client.get_organization()
found["user"] = {"email": user.email, "role": user.org_role().name, "organization": organization.name}
found["roles"] = sorted(client.get_roles())
found["users"] = [one.email for one in organization.users()]
found["members"] = [member.user().email for member in project.members()]
found["projects"] = [one.uid for one in client.get_projects()]
found["by_name"] = [one.uid for one in client.get_projects(where=Project.name == project.name)]
found["both"] = [
    one.uid
    for one in client.get_projects(where=(Project.name == project.name) & (Project.created_at < "2100-01-01"))
]
found["ontologies"] = [one.uid for one in client.get_ontologies(name_contains="street")]
found["features"] = sorted(one.name for one in client.get_feature_schemas(name_contains="lane"))
found["created_by"] = project.created_by().email
found["frontends"] = [one.name for one in client.get_labeling_frontends()] if OLD else None

# -- rows: order, pages, external ids, global keys

dataset = client.get_dataset(given["dataset_id"])
rows = list(dataset.data_rows())
found["rows"] = [row.uid for row in rows]
one = rows[0]
found["by_external_id"] = dataset.data_row_for_external_id(one.external_id).uid == one.uid
found["external_ids"] = client.get_data_row_ids_for_external_ids([one.external_id, "nobody"])
found["one"] = client.get_data_row(one.uid).global_key == one.global_key
fresh = client.create_dataset(name="fresh")
task = fresh.create_data_rows(
    [{"row_data": f"https://example.org/{n}.png", "global_key": f"fresh {n}"} for n in range(5)]
)
task.wait_till_done()
news = {row.global_key: row for row in fresh.data_rows()}
found["assign"] = client.clear_global_keys(["fresh 4", "no such key"])
found["assigned"] = client.assign_global_keys_to_data_rows(
    [{"data_row_id": news["fresh 4"].uid, "global_key": "named anew"}]
)
news["fresh 3"].update(external_id="changed")
found["changed"] = client.get_data_row(news["fresh 3"].uid).external_id
news["fresh 2"].delete() if hasattr(news["fresh 2"], "delete") else None
type(one).bulk_delete([news["fresh 1"]])
found["left"] = sorted(row.global_key for row in fresh.data_rows())
fresh.update(name="renamed")
found["renamed"] = client.get_dataset(fresh.uid).name

# -- queues, moves, priorities

queues = {queue.queue_type: queue for queue in project.task_queues()}
found["queues"] = {kind: queue.data_row_count for kind, queue in queues.items()}
moved = given["moved"]
project.move_data_rows_to_task_queue(ids(moved[:1]), queues["MANUAL_REWORK_QUEUE"].uid)
project.move_data_rows_to_task_queue(ids(moved[1:2]), queues["MANUAL_REVIEW_QUEUE"].uid)
project.move_data_rows_to_task_queue(ids(moved[2:3]), None)
by_id = {row.uid: row for row in rows}
if OLD:
    found["priority"] = project.set_labeling_parameter_overrides([(by_id[moved[3]], 1)])
else:
    from labelbox import UniqueId

    found["priority"] = project.set_labeling_parameter_overrides([(UniqueId(moved[3]), 1)])
    found["priorities"] = project.update_data_row_labeling_priority(ids(moved[4:5]), 3)
    overview = project.get_overview()
    found["overview"] = {
        name: getattr(overview, name)
        for name in ("to_label", "in_review", "in_rework", "done", "total_data_rows")
    }
    found["details"] = str(project.get_overview(details=True))
found["reserved"] = project.extend_reservations("LabelingQueue")

# -- labels: listing, reviews, benchmarks, deletion

labels = {label.uid: label for label in project.labels()}
found["labels"] = sorted(labels)
found["some_labels"] = sorted(label.uid for label in project.labels(datasets=[dataset]))
found["sorted"] = [label.uid for label in project.labels(order_by=Label.created_at.asc)]
label = labels[given["reviewed"]]
review = label.create_review(score=1.0)
found["review"] = {"score": review.score, "of": label.reviews and [one.score for one in label.reviews()]}
benchmark = label.create_benchmark()
found["benchmark"] = benchmark.reference_label().uid
found["benchmarks"] = [one.reference_label().uid for one in project.benchmarks()]
benchmark.delete()
found["benchmarks_left"] = len(list(project.benchmarks()))
Label.bulk_delete([labels[given["deleted"]]])
found["labels_left"] = sorted(one.uid for one in project.labels())

# -- batches, tags

batch = project.create_batch("more", [news["fresh 0"].uid, news["fresh 3"].uid])
found["batch"] = {"size": batch.size, "project": batch.project().uid}
batch.remove_queued_data_rows()
found["batch_left"] = client.get_batch(project.uid, batch.uid).size
batch.delete()
found["batches"] = sorted(one.name for one in project.batches())
tag = organization.create_resource_tag({"text": "winter", "color": "#0000ff"})
project.update_project_resource_tags([tag.uid])
found["tags"] = [one.text for one in organization.get_resource_tags()]

# -- a slice, and rows sent on to another project

part = client.get_catalog_slice(given["slice_id"])
found["slice"] = {"name": part.name}
task = part.export_v2(params={"data_row_details": True, "project_ids": [project.uid]})
task.wait_till_done()
found["slice_rows"] = task.result
if not OLD:
    found["slice_ids"] = [getattr(one.id, "key", one.id) for one in part.get_data_row_identifiers()]

project.update(name="another name")
found["project_name"] = client.get_project(project.uid).name
gone = client.create_project(name="to be deleted", **({} if OLD else {"media_type": project.media_type}))
gone.delete()
found["gone"] = raised(client.get_project, gone.uid)
answer(**found)
