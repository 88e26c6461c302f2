"""The commands that look after a store: keys, orgs, copy, migrate, check."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Annotated, Literal

import typer

from annotary.cli.printing import count, progress, show, show_json, table
from annotary.cli.session import DONE, FAILED, Session, Usage, interruptible, say

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
    look: Annotated[
        bool,
        typer.Option("--look", help="Only tell its schema, and whether older programs may go on meanwhile."),
    ] = False,
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
    from annotary.engine.migrating import Migrated, migrated, standing

    if look and blobs is not None:
        raise Usage("--look changes nothing; leave --blobs out")
    found = standing(session.place) if look else migrated(session.place, blobs)
    if session.json:
        show_json(found)
        return
    said = f"{session.shown_place} has schema {found.schema}"
    if found.schema < found.program:
        going_on = f"servers and workers of {found.schema} may go on meanwhile"
        how = going_on if found.beside else "stop servers and workers first"
        said += f"; annotary migrate brings it to {found.program}: {how}"
    elif found.oldest < found.schema:
        said += f"; programs of schema {found.oldest} and newer may use it"
    show(said)
    if isinstance(found, Migrated) and blobs is not None:
        moved = f"; {count(found.blobs, 'blob')} and {count(found.files, 'file')} have moved there"
        show(f"it keeps large blobs and files in {blobs}{moved if found.blobs or found.files else ''}")
        if found.left is not None:
            say(f"what was in {found.left} is there still; remove it when no other store needs it")


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
