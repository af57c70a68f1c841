"""Taking an import back: what it made goes, what it changed is as before, and what stays is told with its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from app.activity.commands import record
from app.clients.models import Client, ClientContact, Contact, ContactAddress
from app.clients.policy import can_import, clients_seen_by
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import db, transaction
from app.core.errors import Refused
from app.core.ids import new_id
from app.core.locking import lock_row, to_lock
from app.core.permissions import authorize
from app.exchange.clients.commands.importing import put_away, put_values
from app.exchange.clients.own import HEAD_OF, present
from app.exchange.clients.values import LABELS, TOGETHER
from app.exchange.models import ClientImport, ImportKey
from app.marks.models import Comment
from app.runs.commands import Skip, start_run, works
from app.runs.models import ItemState, Run, RunItem

UNDO = "exchange.undo_clients"


def undo_import(found: ClientImport, *, by: Actor) -> Run:
    """Take back what an import did, newest first; what has been used since is archived or left, and told."""
    authorize(by, can_import)
    with transaction() as session:
        lock_row(found, "run_id", "undo_run_id")
        if not found.run_id:
            raise Refused("This import has not started, so there is nothing to take back.")
        if found.undo_run_id:
            return session.get_one(Run, found.undo_run_id)
        session.execute(to_lock(sa.select(Run.id).where(Run.id == found.run_id), lightly=True))
        done = session.scalars(
            sa.select(RunItem).where(RunItem.run_id == found.run_id, RunItem.state == ItemState.DONE)
            .order_by(RunItem.position.desc())
        ).all()
        items = [(item.label, dict(item.result or {})) for item in done if _did_something(item.result or {})]
        run = start_run(new_id(), UNDO, f"Undo the import of {found.file_name}", items, by=by,
                        options={"import_id": str(found.id)})
        found.undo_run_id = run.id
        session.get_one(Run, found.run_id).undone_at = now()
        return run


def _did_something(result: Mapping[str, Any]) -> bool:
    return result["action"] == "create" or any(
        result.get(what) for what in ("key", "changes", "contacts", "links", "addresses")
    )


@works(UNDO)
def _undo_one(run: Run, item: RunItem, by: Actor) -> dict[str, Any]:
    """Take back one client's part of an import, in the item's transaction. `stays` says what does not go, and why."""
    did = item.payload
    client = db.session.scalar(clients_seen_by(by).where(Client.id == UUID(did["client_id"])))
    if client is None:
        raise Skip("The client is gone already.")
    stays = _remove_people(client, did)
    if did.get("key"):
        db.session.execute(sa.delete(ImportKey).where(ImportKey.id == UUID(did["key"])))
    if did["action"] != "create":
        return _told(_put_back(client, did["changes"], stays, by), stays)
    if client.version != did["version"]:
        put_away(client, by=by)
        return _told("archived", ["it was changed since, so it was archived and not removed", *stays])
    name, code = client.name, client.code
    if _remove(client):
        record("exchange.import.remove", run, by=by, client_id=None, name=name, code=code)
        return _told("removed", stays)
    put_away(client, by=by)
    return _told("archived", ["something refers to it since, so it was archived and not removed", *stays])


def _told(done: str, stays: Sequence[str]) -> dict[str, Any]:
    return {"told": done, "stays": list(stays), "title": done, "note": "; ".join(stays)}


def _put_back(client: Client, changes: Mapping[str, list[Any]], stays: list[str], by: Actor) -> str:
    """The old values, where nobody has changed them since; what was changed stays and is named."""
    here = present(client)
    back = {name: old for name, (old, new) in changes.items() if here.get(name, getattr(client, name, None)) == new}
    for pair in TOGETHER:
        if any(name in changes and name not in back for name in pair):
            back = {name: old for name, old in back.items() if name not in pair}
    if kept := dict.fromkeys(HEAD_OF.get(name) or LABELS.get(name, name) for name in changes if name not in back):
        one = len(kept) == 1
        stays.append(f"{', '.join(kept)} {'stays as it is' if one else 'stay as they are'}, because somebody has "
                     f"changed {'it' if one else 'them'} since")
    put_values(client, back, by=by)
    done = len(dict.fromkeys(HEAD_OF.get(name, name) for name in back))
    return f"{done} {'field' if done == 1 else 'fields'} put back"


def _remove_people(client: Client, did: Mapping[str, Any]) -> list[str]:
    kept = 0
    for contact_id in (*did["contacts"], *did["links"]):
        kept += not _delete(
            sa.delete(ClientContact).where(
                ClientContact.client_id == client.id, ClientContact.contact_id == UUID(contact_id)
            ), *([] if contact_id in did["links"] else [
                sa.delete(ContactAddress).where(ContactAddress.contact_id == UUID(contact_id)),
                sa.delete(Contact).where(Contact.id == UUID(contact_id)),
            ])
        )
    for address_id in did["addresses"]:
        _delete(sa.delete(ContactAddress).where(ContactAddress.id == UUID(address_id)))
    return [f"{kept} of its contacts stay, because something refers to them"] if kept else []


def _remove(client: Client) -> bool:
    if db.session.scalar(sa.select(Comment.id).where(Comment.client_id == client.id).limit(1)):
        return False
    return _delete(sa.delete(Client).where(Client.id == client.id))


def _delete(*statements: sa.Delete) -> bool:
    """All of them or none: what something refers to stays."""
    try:
        with transaction() as session:
            for statement in statements:
                session.execute(statement.execution_options(synchronize_session=False))
    except IntegrityError:
        return False
    return True
