"""What must hold between the tables of a store: for each rule its table, the rows at fault, the reason.

A statement gives the key of a row at fault and then what to show of it. The joins run along indexes, so
that neither database has to sort a whole table.
"""

from __future__ import annotations

from annotary.store.filters import FOREVER
from annotary.store.schema import FRONT

_NOW = f"until = {FOREVER}"

RULES: tuple[tuple[str, str, str], ...] = (
    (
        "rows",
        "SELECT n, since, until FROM rows WHERE since >= until",
        "a version ends before it begins",
    ),
    (
        "rows",
        "SELECT a.n, a.collection, a.data_row FROM rows a JOIN rows b ON b.collection = a.collection"
        " AND b.data_row = a.data_row AND b.n > a.n AND a.since < b.until AND b.since < a.until",
        "two versions of one row are valid at the same time",
    ),
    (
        "rows",
        "SELECT r.n, r.since, c.sequence FROM rows r LEFT JOIN collections c ON c.n = r.collection"
        f" WHERE c.n IS NULL OR r.since > c.sequence OR (r.until <> {FOREVER} AND r.until > c.sequence)",
        "a version lies beyond its collection's sequence",
    ),
    (
        "rows",
        "SELECT r.n, r.data_row, r.version FROM rows r LEFT JOIN data_row_versions v ON v.n = r.version"
        " LEFT JOIN data_rows d ON d.n = r.data_row WHERE v.n IS NULL OR d.n IS NULL",
        "its data row, or the version of it, is not there",
    ),
    (
        "rows",
        "SELECT r.n, r.collection, r.batch FROM rows r JOIN collections c ON c.n = r.collection"
        f" WHERE c.kind = 'project' AND r.{_NOW} AND r.deleted = 0 AND r.batch <> '' AND NOT EXISTS"
        " (SELECT 1 FROM entities e WHERE e.kind = 'Batch' AND e.org = c.org AND e.id = r.batch)",
        "its batch is not there",
    ),
    (
        "labels",
        "SELECT n, since, until FROM labels WHERE since >= until",
        "a version ends before it begins",
    ),
    (
        "labels",
        "SELECT a.n, a.collection, a.id FROM labels a JOIN labels b ON b.id = a.id"
        " AND b.collection = a.collection AND b.data_row = a.data_row AND b.prediction = a.prediction"
        " AND b.n > a.n AND a.since < b.until AND b.since < a.until",
        "two versions of one label are valid at the same time",
    ),
    (
        "labels",
        "SELECT l.n, l.since, c.sequence FROM labels l LEFT JOIN collections c ON c.n = l.collection"
        f" WHERE c.n IS NULL OR l.since > c.sequence OR (l.until <> {FOREVER} AND l.until > c.sequence)",
        "a version lies beyond its collection's sequence",
    ),
    (
        "labels",
        f"SELECT l.n, l.collection, l.id FROM labels l WHERE l.{_NOW} AND NOT EXISTS (SELECT 1 FROM rows r"
        f" WHERE r.collection = l.collection AND r.data_row = l.data_row AND r.{_NOW} AND r.deleted = 0)",
        "a label of a row that is not there",
    ),
    (
        "data_rows",
        "SELECT d.n, d.id, d.version FROM data_rows d LEFT JOIN data_row_versions v ON v.n = d.version"
        " WHERE v.n IS NULL",
        "its present version is not there",
    ),
    (
        "data_rows",
        "SELECT d.n, d.id, d.dataset FROM data_rows d WHERE d.dataset <> '' AND NOT EXISTS"
        " (SELECT 1 FROM entities e WHERE e.kind = 'Dataset' AND e.org = d.org AND e.id = d.dataset)",
        "its dataset is not there",
    ),
    (
        "collections",
        "SELECT c.n, c.kind, c.id FROM collections c WHERE c.kind IN ('project', 'model_run') AND NOT EXISTS"
        " (SELECT 1 FROM entities e WHERE e.org = c.org AND e.id = c.id"
        "  AND e.kind = CASE c.kind WHEN 'project' THEN 'Project' ELSE 'ModelRun' END)",
        "its project or model run is not there",
    ),
    (
        "collections",
        "SELECT e.id, e.kind, e.org FROM entities e WHERE e.kind IN ('Project', 'ModelRun') AND NOT EXISTS"
        " (SELECT 1 FROM collections c WHERE c.org = e.org AND c.id = e.id"
        "  AND c.kind = CASE e.kind WHEN 'Project' THEN 'project' ELSE 'model_run' END)",
        "a project or model run without a collection",
    ),
    (
        "collections",
        "SELECT c.n, c.kind, c.id FROM collections c WHERE c.kind IN ('project', 'model_run') AND"
        f" (SELECT count(*) FROM collection_versions v WHERE v.collection = c.n AND v.{_NOW}) <> 1",
        "its name and ontology are not there exactly once",
    ),
    (
        "collections",
        "SELECT a.collection, a.since, b.since FROM collection_versions a JOIN collection_versions b"
        " ON b.collection = a.collection AND b.since > a.since AND b.since < a.until",
        "two names are valid at the same time",
    ),
)

LED: tuple[tuple[str, str, str], ...] = (
    (
        "front",
        f"(SELECT {FRONT} FROM data_row_versions v WHERE v.n = rows.version)",
        "is not that of its data row's version; check --rebuild mends it",
    ),
    (
        "label",
        # The one label version that was there during all of the row version's time, and no other with it.
        "CASE WHEN rows.deleted = 0 THEN (SELECT min(l.n) FROM labels l"
        " WHERE l.collection = rows.collection AND l.data_row = rows.data_row AND l.prediction = 0"
        " AND l.since < rows.until AND l.until > rows.since GROUP BY l.data_row"
        " HAVING count(*) = 1 AND min(l.since) <= rows.since AND min(l.until) >= rows.until) END",
        "is not its only one; check --rebuild mends it",
    ),
)
"""What a row must lead to: the column, what must stand there, and what is wrong where it does not."""
