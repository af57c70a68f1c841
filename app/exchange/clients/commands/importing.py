"""What an import would do, and doing it: one transaction for each client."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import contains_eager

from app.activity.commands import record
from app.clients.changes import ClientChange, effects_of
from app.clients.commands import (
    ClientFacts,
    ContactFacts,
    Standing,
    archive_client,
    create_client,
    create_contact,
    link_contact,
    restore_client,
    update_client,
)
from app.clients.commands.access_notices import emails_of, tell_addresses
from app.clients.commands.clients import archiving_of, change_of, facts_of
from app.clients.commands.contacts import check_contact
from app.clients.models import AddressKind, Client, ClientContact, Contact, ContactAddress
from app.clients.policy import can_import, clients_seen_by
from app.core.actors import Actor
from app.core.db import db, transaction
from app.core.errors import NotFound, Refused
from app.core.ids import new_id
from app.core.locking import lock_row, take_turn
from app.core.once import digest_of
from app.core.permissions import authorize
from app.exchange.clients.commands.reading import amounts_in, entity_of, remarks_of
from app.exchange.clients.compare import Action, Planned, changes_for, contact_elsewhere, new_people, plan
from app.exchange.clients.formats import SOURCE_NAMES, Source, refuse_other_lists
from app.exchange.clients.moves import Moving, check_confirmed, digest_of_moves, tell_moves
from app.exchange.clients.own import HEAD_OF, load_names, plan_own, present
from app.exchange.clients.prospects import Person, Prospect, gather
from app.exchange.clients.rows import RowError
from app.exchange.clients.values import plain, typed
from app.exchange.models import ClientImport, ImportKey
from app.runs.commands import Skip, start_run, works
from app.runs.models import Run, RunItem

KIND = "exchange.import_clients"
AS_IT_COMES = Moving()
DECISIONS = {"link": "link", "new": "create", "": "leave"}


def plan_import(found: ClientImport, *, seen_by: Actor) -> list[Planned]:
    """The dry run: what the import would do, computed by the same code that does it."""
    authorize(seen_by, can_import)
    if not found.rows:
        raise Refused("No rows stand under this header. Choose another line or sheet under how the file is read.")
    refuse_other_lists(found.header)
    source, country = Source(found.source), entity_of(found).country
    faults = [RowError(r.line, r.column, r.message, r.read) for r in remarks_of(found) if r.error]
    if source is Source.FIRMAMENT:
        planned = plan_own(found.header, found.rows, found.mapping, country, found.lines, faults, seen_by=seen_by)
    else:
        names = load_names()
        prospects = gather(
            found.header, found.rows, found.mapping, source, country, amounts_in(found), found.lines, faults, names
        )
        planned = plan(prospects, source, names, seen_by=seen_by)
    tell_moves(planned, seen_by=seen_by)
    return planned


def digest_of_plan(found: ClientImport, planned: Sequence[Planned]) -> str:
    """Of all that an import would do, so that what is confirmed is what was shown: somebody else may meanwhile have
    read the file in another way, or said otherwise what its columns mean, and other work may move with it."""
    return str(digest_of(found.office_id, found.portal_access, [
        (one.prospect.to_json(), one.action, one.client.id if one.client else None, [vars(c) for c in one.changes],
         digest_of_moves(one))
        for one in planned
    ]))


@dataclass(frozen=True)
class Tally:
    """The tie-out of an import: every row is in exactly one of the counts of rows."""

    rows: int
    created: int
    updated: int
    unchanged: int
    matched: int
    unknown: int
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
            updated=clients(Action.UPDATE), unchanged=clients(Action.UNCHANGED),
            matched=clients(Action.MATCH), unknown=clients(Action.UNKNOWN),
            refused=clients(Action.REFUSED),
            rows_refused=sum(len(one.prospect.rows) for one in planned if one.action is Action.REFUSED),
            people=sum(len(one.prospect.people) for one in planned), balances=len(balances),
            balance_total=str(sum(map(Decimal, balances), Decimal(0))),
        )


def start_import(
    found: ClientImport, *, by: Actor, decide: Callable[[Planned], str], skip_errors: bool = False,
    foreseen: str | None = None, redate: bool = True, because: str = "",
) -> Run:
    """Import in the background, a transaction for each client. `decide` answers a match and a code that nobody has:
    "link", "new" or "" (leave).

    With rows in error nothing starts unless `skip_errors` says that the good ones shall come in. `foreseen` digests
    what was shown and confirmed; it is asked for where recurring work moves. Jobs to come follow new periods of their
    clients unless `redate` is false, past a deadline only for a reason.
    """
    authorize(by, can_import)
    with transaction() as session:
        lock_row(found)
        if found.run_id:
            return session.get_one(Run, found.run_id)
        planned = plan_import(found, seen_by=by)
        if foreseen is not None and foreseen != digest_of_plan(found, planned):
            raise Refused("What this import would do has changed since it was shown. Look at it again.")
        check_confirmed(planned, Moving(redate, because), was_shown=foreseen is not None)
        tally = Tally.of(planned)
        if tally.refused and not skip_errors:
            raise Refused(
                f"{tally.rows_refused} rows have errors. Mend the file, or say that the good rows shall come in."
            )
        asked = (Action.MATCH, Action.UNKNOWN)
        items = [_item(one, decide(one) if one.action in asked else "") for one in planned]
        run = start_run(
            new_id(), KIND, f"Import from {SOURCE_NAMES[Source(found.source)]}: {found.file_name}",
            [item for item in items if item is not None], by=by,
            options={"import_id": str(found.id), "redate": redate, "because": because.strip()},
        )
        found.run_id, found.content = run.id, None
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
    action = DECISIONS[decision] if one.action in (Action.MATCH, Action.UNKNOWN) else one.action.value
    payload: dict[str, Any] = {"prospect": one.prospect.to_json(), "action": action}
    if one.action is Action.UPDATE:
        here = present(one.client) if one.client else {}
        payload["was"] = {name: here[name] for name in one.prospect.values if name in here}
    if one.client:
        payload["client_id"] = str(one.client.id)
    if (foreseen := digest_of_moves(one)) is not None:
        payload["foreseen"] = foreseen
    return one.prospect.name, payload


@works(KIND)
def _import_one(run: Run, item: RunItem, by: Actor) -> dict[str, Any]:
    """One client with all its contacts, in the item's transaction. Doing it again finds its key and changes nothing."""
    found = db.session.get_one(ClientImport, UUID(run.options["import_id"]))
    prospect = Prospect.from_json(item.payload["prospect"])
    if found.source == Source.FIRMAMENT:
        return _bring_own(found, prospect, item, run, by)
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
    return {"action": "update", **_freshen(client, key, prospect, found, by, Moving.of(run.options, item.payload))}


def _bring_own(found: ClientImport, prospect: Prospect, item: RunItem, run: Run, by: Actor) -> dict[str, Any]:
    """A row of our own list: what it corrects, or a new client when that was said."""
    asked = item.payload["action"]
    if asked == "leave":
        raise Skip(f"No client here has the code {prospect.code}." if prospect.code else "It has no code.")
    if asked == "create":
        if prospect.code and _has_code(prospect.code):
            raise Refused(f"The code {prospect.code} is taken by now.")
        return _bring_new(found, prospect, item, run, by)
    client = _client(UUID(item.payload["client_id"]), by) if "client_id" in item.payload else None
    if asked == "unchanged":
        return {"action": "unchanged", **(_where(client) if client else {})}
    if client is None:
        raise Skip("It is gone, or not to be seen any more.")
    was, here = item.payload["was"], present(client)
    if moved := [name for name in prospect.values if here[name] not in (was[name], prospect.values[name])]:
        heads = ", ".join(dict.fromkeys(HEAD_OF[name] for name in moved))
        raise Refused(f"{client.name} was changed since the list was looked at ({heads}), so nothing was done to it. "
                      "Take the list out once more.")
    put_values(client, prospect.values, by=by, moving=Moving.of(run.options, item.payload))
    return {
        "action": "update", **_where(client), "contacts": [], "links": [], "addresses": [], "version": client.version,
        "changes": {name: [was[name], new] for name, new in prospect.values.items()},
    }


def _bring_new(found: ClientImport, prospect: Prospect, item: RunItem, run: Run, by: Actor) -> dict[str, Any]:
    """A new client of our own list, put away where the list says that it is."""
    is_archived = prospect.values.pop("archived", False)
    done = _bring_in(found, prospect, item, run, by)
    client = _client(UUID(done["client_id"]), by)
    if client is None or not is_archived:
        return done
    put_away(client, by=by)
    return {**done, "version": client.version}


def put_values(client: Client, values: Mapping[str, Any], *, by: Actor, moving: Moving = AS_IT_COMES) -> None:
    """Give a client these values, from JSON. `archived` puts it away or brings it back.

    What would leave work open, and so must be seen, is refused.
    """
    facts = replace(facts_of(client), **typed({name: value for name, value in values.items() if name != "archived"}))
    archived = values.get("archived")
    change = change_of(client, facts)
    if archived:
        change = archiving_of(client)
    if archived or change.ends_service:
        _check_nothing_is_open(client, change, by)
    if facts != facts_of(client):
        update_client(client, facts, by=by, version=client.version, **vars(moving))
    if archived is not None:
        (archive_client if archived else restore_client)(client, by=by)


def put_away(client: Client, *, by: Actor) -> None:
    """Archive a client at which nothing is open."""
    _check_nothing_is_open(client, archiving_of(client), by)
    archive_client(client, by=by)


def _check_nothing_is_open(client: Client, change: ClientChange, by: Actor) -> None:
    if still_open := effects_of(change, seen_by=by):
        raise Refused(
            f"{client.name} has open work ({'; '.join(each.words for each in still_open)}). End that on the client's "
            "own page, where you see what is left."
        )


def _where(client: Client) -> dict[str, str]:
    return {"client_id": str(client.id), "href": f"/clients/{client.id}"}


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
    done = _freshen(client, key, prospect, found, by, Moving.of(run.options, item.payload), people)
    if linking:
        record("exchange.import.link", client, by=by, name=client.name, source=found.source)
    return {"action": "link" if linking else "create", "key": str(key.id) if prospect.key else "", **done}


def _facts(prospect: Prospect, office_id: UUID) -> ClientFacts:
    taken = prospect.code and _has_code(prospect.code)
    values = {"office_id": office_id, **typed(prospect.values)}
    return ClientFacts(code="" if taken else prospect.code, **values)


def _has_code(code: str) -> bool:
    taken = sa.select(Client.id).where(sa.func.lower(Client.code) == code.lower())
    return db.session.scalar(taken) is not None


def _freshen(
    client: Client, key: ImportKey, prospect: Prospect, found: ClientImport, by: Actor, moving: Moving,
    people: Sequence[UUID] = (),
) -> dict[str, Any]:
    """Fill in what is missing, and keep what was done for an undo."""
    changes = changes_for(client, prospect, key.values)
    before = {name: plain(getattr(client, name)) for name in changes}
    if changes:
        facts = replace(facts_of(client), **typed(changes))
        update_client(client, facts, by=by, version=client.version, **vars(moving))
    key.values = {name: value for name, value in prospect.values.items() if name != "tags"}
    made, linked, addresses = _bring_people(client, prospect, found, by, people)
    return {
        **_where(client), "changes": {name: [before[name], changes[name]] for name in changes},
        "contacts": made, "links": linked, "addresses": addresses, "version": client.version,
    }


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
            link_contact(client, elsewhere, standing, by=by, quietly=True)
            linked.append(str(elsewhere.id))
        else:
            facts = ContactFacts(name=person.name, emails=person.emails, phones=person.phones)
            contact_id = next(free, None) or new_id()
            made.append(str(create_contact(contact_id, facts, client, standing, by=by, quietly=True).id))
    return made, linked, addresses


def _add_addresses(contact: Contact, missing: Sequence[str], person: Person) -> list[str]:
    last = max((address.position for address in contact.addresses), default=-1)
    before, added = emails_of(contact.id), []
    for at, value in enumerate(missing, last + 1):
        kind = AddressKind.EMAIL if value in person.emails else AddressKind.PHONE
        address = ContactAddress(id=new_id(), contact_id=contact.id, kind=kind, value=value, position=at)
        db.session.add(address)
        added.append(str(address.id))
    tell_addresses(contact, before, [*before, *(value for value in missing if value in person.emails)])
    return added


