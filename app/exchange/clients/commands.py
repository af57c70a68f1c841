"""Storing an uploaded file, importing its clients one by one, and taking an import back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import contains_eager

from app.activity.commands import record
from app.clients.commands import (
    ClientFacts,
    ContactFacts,
    Standing,
    archive_client,
    create_client,
    create_contact,
    link_contact,
    update_client,
)
from app.clients.commands.clients import facts_of
from app.clients.commands.contacts import check_contact
from app.clients.models import AddressKind, Client, ClientContact, ClientKind, Contact, ContactAddress
from app.clients.policy import can_import, clients_seen_by
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import db, transaction
from app.core.errors import NotFound, Refused
from app.core.ids import new_id
from app.core.locking import lock_row, take_turn, to_lock
from app.core.number_format import FORMATS, usual_format
from app.core.once import digest_of, made_before
from app.core.permissions import authorize
from app.exchange.clients.amounts import Amounts, amounts_of
from app.exchange.clients.compare import Action, Planned, changes_for, contact_elsewhere, new_people, plan
from app.exchange.clients.formats import (
    HEADS,
    SOURCE_NAMES,
    Source,
    checked_mapping,
    guess_mapping,
    recognise,
    refuse_other_lists,
)
from app.exchange.clients.prospects import Person, Prospect, RowError, gather
from app.exchange.files import Remark, read_table
from app.exchange.models import ClientImport, ImportKey
from app.firm.models import Entity, Office
from app.marks.models import Comment
from app.runs.commands import Skip, start_run, works
from app.runs.models import ItemState, Run, RunItem

KIND, UNDO = "exchange.import_clients", "exchange.undo_clients"
DECISIONS = {"link": "link", "new": "create", "": "leave"}


def read_import(
    import_id: UUID, file_name: str, content: bytes, office_id: UUID, *, by: Actor, source: Source | None = None,
    portal_access: bool = False,
) -> ClientImport:
    """Read an uploaded file, recognise its source, guess its columns. Nothing is kept yet."""
    authorize(by, can_import)
    table = read_table(content, HEADS)
    refuse_other_lists(table.header)
    source = source or recognise(table.header)
    return ClientImport(
        id=import_id, file_name=file_name[-200:], source=source.value, header=table.header, rows=table.rows,
        lines=table.lines, remarks=[asdict(remark) for remark in table.remarks],
        mapping=guess_mapping(table.header, source), office_id=office_id, portal_access=portal_access,
        created_at=now(), created_by=by.person_id, report={},
    )


def keep_import(found: ClientImport, *, by: Actor) -> ClientImport:
    """Keep a file as read, so that its columns and matches can be decided on. Nothing is imported yet."""
    authorize(by, can_import)
    with transaction() as session:
        found.made_from = digest_of(found.file_name, found.header, found.rows, found.office_id, found.portal_access)
        existing = made_before(ClientImport, found.id, found.made_from)
        if existing is not None:
            return existing
        session.add(found)
        record("exchange.import.read", found, by=by, name=found.file_name, source=found.source, rows=len(found.rows))
        return found


def map_columns(
    found: ClientImport, mapping: Mapping[str, str], office_id: UUID, *, by: Actor, portal_access: bool,
    number_format: str | None = None,
) -> None:
    """Say anew what the columns mean and, with a key of FORMATS, how numbers are written in them.

    Refused once the import has started.
    """
    authorize(by, can_import)
    if number_format is not None and number_format not in FORMATS:
        raise Refused("Choose one of the formats shown.", field="number_format")
    with transaction():
        if found.run_id:
            raise Refused("This import has already started.")
        found.mapping = checked_mapping(found.header, mapping)
        found.office_id, found.portal_access, found.number_format = office_id, portal_access, number_format


def _entity(found: ClientImport) -> Entity:
    """Whose clients they become: they are in its currency."""
    return db.session.scalars(
        sa.select(Entity).join(Office, Office.entity_id == Entity.id).where(Office.id == found.office_id)
    ).one()


def amounts_in(found: ClientImport) -> Amounts:
    """How the amounts of the file are read; of several formats that all say the same, as the entity's country does."""
    entity = _entity(found)
    return amounts_of(
        found.header, found.rows, found.mapping, entity.currency, said=found.number_format,
        usual=usual_format(entity.country),
    )


def prospects_of(found: ClientImport) -> list[Prospect]:
    country = _entity(found).country
    faults = [RowError(r.line, r.column, r.message, r.read) for r in remarks_of(found) if r.error]
    return gather(
        found.header, found.rows, found.mapping, Source(found.source), country, amounts_in(found), found.lines, faults
    )


def remarks_of(found: ClientImport) -> list[Remark]:
    """What was noticed when the file was read."""
    return [Remark(**each) for each in found.remarks]


def warnings_of(found: ClientImport) -> list[dict[str, Any]]:
    """What was noticed and is no error: lines left out, the encoding, columns of one name."""
    return [
        {"line": r.line, "column": r.column, "read": r.read, "message": r.message}
        for r in remarks_of(found) if not r.error
    ]


def plan_import(found: ClientImport, *, seen_by: Actor) -> list[Planned]:
    """The dry run: what the import would do, computed by the same code that does it."""
    authorize(seen_by, can_import)
    return plan(prospects_of(found), Source(found.source), seen_by=seen_by)


@dataclass(frozen=True)
class Tally:
    """The tie-out of an import: every row is in exactly one of the counts of rows."""

    rows: int
    created: int
    updated: int
    unchanged: int
    matched: int
    refused: int
    rows_refused: int
    people: int
    balances: int
    balance_total: str

    @classmethod
    def of(cls, planned: Sequence[Planned]) -> Tally:
        def clients(action: Action) -> int:
            return sum(one.action is action for one in planned)

        balances = [one.prospect.balance for one in planned if one.prospect.balance]
        return cls(
            rows=sum(len(one.prospect.rows) for one in planned), created=clients(Action.CREATE),
            updated=clients(Action.UPDATE), unchanged=clients(Action.UNCHANGED), matched=clients(Action.MATCH),
            refused=clients(Action.REFUSED),
            rows_refused=sum(len(one.prospect.rows) for one in planned if one.action is Action.REFUSED),
            people=sum(len(one.prospect.people) for one in planned), balances=len(balances),
            balance_total=str(sum(map(Decimal, balances), Decimal(0))),
        )


def start_import(
    found: ClientImport, *, by: Actor, decide: Callable[[Planned], str], skip_errors: bool = False
) -> Run:
    """Import in the background, a transaction for each client. `decide` answers a match: "link", "new" or "" (leave).

    With rows in error nothing starts unless `skip_errors` says that the good ones shall come in.
    """
    authorize(by, can_import)
    with transaction() as session:
        lock_row(found, "run_id")
        if found.run_id:
            return session.get_one(Run, found.run_id)
        planned = plan_import(found, seen_by=by)
        tally = Tally.of(planned)
        if tally.refused and not skip_errors:
            raise Refused(
                f"{tally.rows_refused} rows have errors. Mend the file, or say that the good rows shall come in."
            )
        items = [_item(one, decide(one) if one.action is Action.MATCH else "") for one in planned]
        run = start_run(
            new_id(), KIND, f"Import from {SOURCE_NAMES[Source(found.source)]}: {found.file_name}",
            [item for item in items if item is not None], by=by, options={"import_id": str(found.id)},
        )
        found.run_id = run.id
        found.report = {**tally.__dict__, "errors": errors_of(planned)[:1000]}
        return run


def errors_of(planned: Sequence[Planned]) -> list[dict[str, Any]]:
    return [
        {"line": error.row, "column": error.column, "read": error.read, "message": error.message}
        for one in planned for error in one.prospect.errors
    ]


def _item(one: Planned, decision: str) -> tuple[str, dict[str, Any]] | None:
    if one.action is Action.REFUSED:
        return None
    action = DECISIONS[decision] if one.action is Action.MATCH else one.action.value
    payload: dict[str, Any] = {"prospect": one.prospect.to_json(), "action": action}
    if one.client:
        payload["client_id"] = str(one.client.id)
    return one.prospect.name, payload


@works(KIND)
def import_one(run: Run, item: RunItem, by: Actor) -> dict[str, Any]:
    """One client with all its contacts, in the item's transaction. Doing it again finds its key and changes nothing."""
    found = db.session.get_one(ClientImport, UUID(run.options["import_id"]))
    prospect = Prospect.from_json(item.payload["prospect"])
    if item.payload["action"] == "leave":
        raise Skip("It looks like a client that is here already; nobody said whether to link it.")
    key = db.session.scalar(
        sa.select(ImportKey).where(ImportKey.source == found.source, ImportKey.key == prospect.key)
    )
    if key is None:
        return _bring_in(found, prospect, item, run, by)
    client = _client(key.client_id, by)
    if client is None:
        raise Skip("It is here already.")
    return {"action": "update", **_freshen(client, key, prospect, found, by)}


def _client(client_id: UUID, by: Actor) -> Client | None:
    return db.session.scalar(clients_seen_by(by).where(Client.id == client_id))


def _bring_in(found: ClientImport, prospect: Prospect, item: RunItem, run: Run, by: Actor) -> dict[str, Any]:
    linking = item.payload["action"] == "link"
    people: list[UUID] = []
    if linking:
        client = _client(UUID(item.payload["client_id"]), by)
        if client is None:
            raise NotFound("The client that it was to be linked to is gone.")
    else:
        client_id, people = new_id(), [new_id() for _ in prospect.people]
        # Before the client's number is taken: whoever numbers clients is waited for last.
        take_turn(client_id, *people)
        client = create_client(client_id, _facts(prospect, found.office_id), by=by)
    key = ImportKey(source=found.source, key=prospect.key, client_id=client.id, run_id=run.id, values={})
    if prospect.key:
        db.session.add(key)
    done = _freshen(client, key, prospect, found, by, people)
    if linking:
        record("exchange.import.link", client, by=by, name=client.name, source=found.source)
    return {"action": "link" if linking else "create", "key": str(key.id) if prospect.key else "", **done}


def _facts(prospect: Prospect, office_id: UUID) -> ClientFacts:
    taken = prospect.code and db.session.scalar(
        sa.select(Client.id).where(sa.func.lower(Client.code) == prospect.code.lower())
    )
    values = {**prospect.values, "kind": ClientKind(prospect.values.get("kind", ClientKind.ORGANISATION))}
    return ClientFacts(office_id=office_id, code="" if taken else prospect.code, **values)


def _freshen(
    client: Client, key: ImportKey, prospect: Prospect, found: ClientImport, by: Actor, people: Sequence[UUID] = ()
) -> dict[str, Any]:
    """Fill in what is missing, and keep what was done for an undo."""
    changes = changes_for(client, prospect, key.values)
    before = {name: _plain(getattr(client, name)) for name in changes}
    if changes:
        typed: dict[str, Any] = {**changes, **({"kind": ClientKind(changes["kind"])} if "kind" in changes else {})}
        update_client(client, replace(facts_of(client), **typed), by=by)
    key.values = {name: value for name, value in prospect.values.items() if name != "tags"}
    made, linked, addresses = _bring_people(client, prospect, found, by, people)
    return {
        "client_id": str(client.id), "changes": {name: [before[name], changes[name]] for name in changes},
        "contacts": made, "links": linked, "addresses": addresses, "version": client.version,
    }


def _plain(value: Any) -> Any:
    return getattr(value, "value", value)


def _bring_people(
    client: Client, prospect: Prospect, found: ClientImport, by: Actor, ids: Sequence[UUID]
) -> tuple[list[str], list[str], list[str]]:
    links = db.session.scalars(
        sa.select(ClientContact).join(ClientContact.contact).where(ClientContact.client_id == client.id)
        .options(contains_eager(ClientContact.contact).selectinload(Contact.addresses)).order_by(ClientContact.id)
    ).all()
    free = iter(ids)
    made: list[str] = []
    linked: list[str] = []
    addresses: list[str] = []
    for person, contact, missing in new_people(links, prospect):
        standing = Standing(role=person.role, portal_access=found.portal_access and bool(person.emails))
        elsewhere = contact_elsewhere(person, seen_by=by) if contact is None else None
        if contact is not None:
            if missing:
                check_contact(contact, by=by)
            addresses += _add_addresses(contact, missing, person)
        elif elsewhere is not None:
            link_contact(client, elsewhere, standing, by=by)
            linked.append(str(elsewhere.id))
        else:
            facts = ContactFacts(name=person.name, emails=person.emails, phones=person.phones)
            made.append(str(create_contact(next(free, None) or new_id(), facts, client, standing, by=by).id))
    return made, linked, addresses


def _add_addresses(contact: Contact, missing: Sequence[str], person: Person) -> list[str]:
    last = max((address.position for address in contact.addresses), default=-1)
    added = []
    for at, value in enumerate(missing, last + 1):
        kind = AddressKind.EMAIL if value in person.emails else AddressKind.PHONE
        address = ContactAddress(id=new_id(), contact_id=contact.id, kind=kind, value=value, position=at)
        db.session.add(address)
        added.append(str(address.id))
    return added


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
        items = [(item.label, dict(item.result or {})) for item in done]
        run = start_run(new_id(), UNDO, f"Undo the import of {found.file_name}", items, by=by,
                        options={"import_id": str(found.id)})
        found.undo_run_id = run.id
        session.get_one(Run, found.run_id).undone_at = now()
        return run


@works(UNDO)
def undo_one(run: Run, item: RunItem, by: Actor) -> dict[str, Any]:
    """Take back one client's part of an import, in the item's transaction."""
    did = item.payload
    client = _client(UUID(did["client_id"]), by)
    if client is None:
        raise Skip("The client is gone already.")
    kept = _remove_people(client, did)
    if did.get("key"):
        db.session.execute(sa.delete(ImportKey).where(ImportKey.id == UUID(did["key"])))
    if did["action"] != "create":
        _put_back(client, did["changes"], by)
        return {"told": f"{len(did['changes'])} fields put back" + (f"; {kept}" if kept else "")}
    if client.version != did["version"]:
        return _archive_instead(client, "it was changed since", by)
    if _remove(client):
        record("exchange.import.remove", run, by=by, client_id=None, name=client.name, code=client.code)
        return {"told": "removed"}
    return _archive_instead(client, "something refers to it since", by)


def _archive_instead(client: Client, why: str, by: Actor) -> dict[str, Any]:
    archive_client(client, by=by)
    return {"told": f"archived, because {why}"}


def _put_back(client: Client, changes: Mapping[str, list[Any]], by: Actor) -> None:
    back = {name: old for name, (old, new) in changes.items() if _plain(getattr(client, name)) == new}
    if "kind" in back:
        back["kind"] = ClientKind(back["kind"])
    if back:
        update_client(client, replace(facts_of(client), **back), by=by)


def _remove_people(client: Client, did: Mapping[str, Any]) -> str:
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
    return f"{kept} contacts stay, because they are used" if kept else ""


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
