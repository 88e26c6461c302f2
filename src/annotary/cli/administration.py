"""The commands that look after a store: keys, orgs, copy, migrate, check."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Annotated, Literal

import typer

from annotary.cli.printing import count, progress, show, show_json, table
from annotary.cli.session import DONE, FAILED, Session, interruptible, say

KeyName = Annotated[str, typer.Argument(metavar="NAME", help="The name of the key.")]
OrgName = Annotated[str, typer.Argument(metavar="NAME", help="The name of the organisation.")]


def create_key(
    session: Session,
    name: KeyName,
    role: Annotated[
        Literal["admin", "member", "reader"], typer.Option(help="What its bearer may do.")
    ] = "member",
) -> None:
    """Make an API key; it is shown this once."""
    from annotary.operations.users import CreateKey

    with session.client() as client:
        made = client.call(CreateKey(name=name, role=role))
    if session.json:
        show_json(made)
        return
    show(made.key)
    if not session.quiet:
        say(f"key {made.name!r}, role {made.role}, of {made.org}; it is not shown again")


def list_keys(session: Session) -> None:
    """All API keys, without the keys themselves."""
    from annotary.operations.users import FindKeys

    with session.client() as client:
        found = client.call(FindKeys())
    if session.json:
        show_json(
            [
                {
                    "name": one.name,
                    "role": one.role,
                    "org": session.org,
                    "created_at": one.created_at,
                    "revoked": one.revoked,
                }
                for one in found
            ]
        )
    elif found:
        rows = [
            (one.name, one.role, one.created_at[:10], "revoked" if one.revoked else "good") for one in found
        ]
        table(("key", "role", "made", "state"), rows)
    elif not session.quiet:
        show(f"no keys in {session.shown_place}")


def revoke_key(session: Session, name: KeyName) -> None:
    """Make an API key useless."""
    from annotary.operations.users import RevokeKey

    with session.client() as client:
        client.call(RevokeKey(name=name))
    if session.json:
        show_json({"name": name, "revoked": True})
    elif not session.quiet:
        show(f"key {name!r} is revoked")


def create_org(session: Session, name: OrgName) -> None:
    """Make an organisation, kept wholly apart from the others."""
    from annotary.operations.users import CreateOrganization

    with session.client() as client:
        made = client.call(CreateOrganization(name=name))
    if session.json:
        show_json(made)
    elif not session.quiet:
        show(f"organisation {made.name!r}; commands work in it with --org {made.name}")


def list_orgs(session: Session) -> None:
    """All organisations of the store."""
    from annotary.operations.users import FindOrganizations

    with session.client() as client:
        found = client.call(FindOrganizations())
    if session.json:
        show_json(found)
    else:
        table(("organisation", "made"), [(one.name, one.created_at[:10]) for one in found])


def migrate(
    session: Session,
    blobs: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Keep large masks and all files there, and move those that are: s3://BUCKET/PREFIX, or"
            " file:///FOLDER that all machines share. For stores on PostgreSQL; stop servers and workers.",
        ),
    ] = None,
) -> None:
    """Bring a store to the schema of this annotary."""
    from annotary.engine.checking import migrated

    made = migrated(session.place, blobs)
    if session.json:
        show_json(made if blobs is not None else {"schema": made.schema})
        return
    show(f"{session.shown_place} has schema {made.schema}")
    if blobs is not None:
        moved = f"; {count(made.blobs, 'blob')} and {count(made.files, 'file')} have moved there"
        show(f"it keeps large blobs and files in {blobs}{moved if made.blobs or made.files else ''}")
    if made.left is not None:
        say(f"what was in {made.left} is there still; remove it when no other store needs it")


def copy(
    session: Session,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A folder or postgresql:// URL.")],
    destination: Annotated[str, typer.Argument(metavar="DESTINATION", help="An empty one, to copy to.")],
) -> None:
    """Copy a whole store into another database; goes on with a copy that was interrupted."""
    from annotary.engine.copying import copy_store

    places = [replace(session, at=one).shown_place for one in (source, destination)]
    goes_on = interruptible("type the same command again to go on")
    with goes_on, progress(session, "copying and comparing") as move:
        made = copy_store(source, destination, progress=move)
    if session.json:
        show_json(made._asdict())
    else:
        what = f"{count(made.rows, 'row')}, {count(made.blobs, 'blob')}, {count(made.files, 'file')}"
        show(f"{places[0]} is copied to {places[1]} and compared: {what}")


def check(
    session: Session,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Write sections anew that differ from a fresh rendering.")
    ] = False,
) -> int:
    """Verify a whole store: versions, sections, features, masks."""
    from annotary.engine.checking import check_target

    with progress(session, "checking") as move:
        report = check_target(session.place, rebuild=rebuild, progress=move)
    if session.json:
        show_json(report)
    else:
        table(("checked", "number", "wrong"), [(one.name, one.number, one.wrong) for one in report.checks])
        if report.rebuilt:
            show(f"{count(report.rebuilt, 'section')} written anew")
        if not session.quiet:
            table(
                ("times", "notice", "such as"),
                [(one.count, one.reason, one.value) for one in report.notices],
                file=sys.stderr,
            )
        rows = [(one.place, one.value, one.reason) for one in report.findings]
        table(("wrong at", "value", "reason"), rows, file=sys.stderr)
    if not report.wrong:
        return DONE
    say(f"annotary: {session.shown_place} has {count(report.wrong, 'fault')}")
    return FAILED
