"""Whoever is behind a wall changes nothing there: each command asks by itself, whatever a page has asked before."""

from __future__ import annotations

import ast
import types
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from inspect import isfunction, signature
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
import sqlalchemy as sa

from app.approvals.models import Approval, ApprovalKind
from app.catalogue.models import StepKind
from app.clients.commands import (
    ContactFacts,
    Standing,
    archive_contact,
    link_contact,
    lower_wall,
    restore_contact,
    update_contact,
)
from app.clients.models import Arrangement, Client, Contact, Engagement, Wall
from app.clients.queries import get_contact
from app.core.actors import SYSTEM, Actor
from app.core.clock import today
from app.core.db import Base, db
from app.core.errors import NotAllowed, NotFound, Refused
from app.core.ids import new_id
from app.core.permissions import Permission
from app.jobs.models import Task
from app.planning.models import Occurrence
from app.requests.models import ClientRequest, RequestItem
from tests.make import Cast, make_client
from tests.planning.make_planning import make_series, make_service

ROOT = Path(__file__).parents[1]
BESIDE = (Client, Contact, RequestItem, Occurrence, Arrangement, Wall)
# What only commands call that have asked already, or that asks nothing but a row's own reader.
WITHIN = {
    "jobs.commands.readiness.finish", "billing.commands.settling.close_in_base", "notifications.commands.can_read",
    "billing.commands.settling.release_allocations", "billing.commands.settling.follow_due_date",
    "billing.commands.payer.payer_for", "billing.commands.payer.usual_payer", "timekeeping.commands.writing.write",
    "billing.commands.write_offs.hold_write_off", "billing.commands.approving.judge_bill",
    "billing.commands.approving.ask_for_bill", "billing.commands.approving.approve_bill",
    "requests.commands.sending.choose_recipients", "requests.commands.sending.recipients_reachable",
    "requests.commands.sending.settle_waiting", "timekeeping.commands.writing.undo_write",
    "timekeeping.commands.wip.move_wip", "jobs.commands.dates.write_moves",
    "timekeeping.commands.less.refuse_less",
}
# Of those, what a room above is told of by a register: it is called inside the commands of approvals.
BY_OTHERS = {"billing.commands.write_offs.hold_write_off"}


def commands() -> Iterator[tuple[str, Callable[..., Any], str]]:
    """Every command with each row of a client's that it is given."""
    for path in [*ROOT.glob("app/*/commands.py"), *ROOT.glob("app/*/commands/*.py"), *ROOT.glob("app/*/*/commands.py")]:
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        module = import_module(name)
        for function in vars(module).values():
            if not isfunction(function) or function.__module__ != name or function.__name__.startswith("_"):
                continue
            hints = get_type_hints(function)
            said = f"{name.removeprefix('app.')}.{function.__name__}"
            if "by" not in hints or said in WITHIN:
                continue
            for given in signature(function).parameters:
                if rows(hints.get(given)):
                    yield f"{said}:{given}", function, given


def test_what_asks_for_no_wall_itself_is_called_by_commands_alone() -> None:
    """No view, worker or reader of events uses them: whoever does has asked."""
    found = set()
    for path in [*ROOT.glob("app/**/*.py"), *ROOT.glob("portal/**/*.py")]:
        if "commands" in path.with_suffix("").parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                found |= {f"{node.module}.{each.name}".removeprefix("app.") for each in node.names}
    assert found & WITHIN == BY_OTHERS


def rows(hint: Any) -> list[type[Base]]:
    """The tables of clients that a parameter may be a row of."""
    each = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else [hint]
    return [t for t in each if isinstance(t, type) and issubclass(t, Base) and (hasattr(t, "client_id") or t in BESIDE)]


@pytest.fixture
def behind(cast: Cast) -> Actor:
    """Wes, kept from Rival, with every permission there is."""
    return replace(cast.actor(cast.wes), permissions=frozenset(Permission), role="partner")


def row_of(table: type[Base], client: Client, engagement: Engagement, contact: Contact) -> Any:
    """A row of this table that is that client's: where a command reads more of it, a stored one."""
    if table is Client:
        return client
    if table is Contact:
        return contact
    if table is Engagement:
        return engagement
    if table is Arrangement:
        return db.session.scalars(sa.select(Arrangement).where(Arrangement.engagement_id == engagement.id)).one()
    if table is Occurrence:
        series = make_series(client, make_service()[0], today())
        return db.session.scalars(sa.select(Occurrence).where(Occurrence.series_id == series.id)).first()
    ids = {name: given for name, given in (("client_id", client.id), ("engagement_id", engagement.id),
                                           ("payer_id", client.id)) if name in sa.inspect(table).columns}
    row = table(id=new_id(), **ids)
    if isinstance(row, RequestItem):
        row.request = ClientRequest(id=new_id(), client_id=client.id, engagement_id=engagement.id)
    if isinstance(row, Approval):
        row.client_ids, row.engagement_ids, row.kind = [client.id], [engagement.id], ApprovalKind.WRITE_OFF
    if isinstance(row, Task):
        row.kind = StepKind.REVIEW
    return row


@pytest.mark.parametrize("name, command, given", [pytest.param(*each, id=each[0]) for each in commands()])
def test_no_command_takes_a_row_from_behind_a_wall(
    cast: Cast, behind: Actor, name: str, command: Callable[..., Any], given: str
) -> None:
    hints = get_type_hints(command)
    values: dict[str, Any] = {}
    for parameter in signature(command).parameters.values():
        tables = rows(hints.get(parameter.name))
        if parameter.name == given:
            values[parameter.name] = row_of(tables[0], cast.rival, cast.rival_work, cast.otto)
        elif tables:
            values[parameter.name] = row_of(tables[0], cast.acme, cast.acme_work, cast.cleo)
        elif parameter.name != "by" and parameter.default is parameter.empty:
            values[parameter.name] = "Why" if hints[parameter.name] is str else None
    with pytest.raises((NotAllowed, NotFound)), db.session.no_autoflush:
        command(**values, by=behind)


def test_a_contact_of_a_walled_client_too_is_changed_by_somebody_who_sees_all_of_them(
    cast: Cast, behind: Actor
) -> None:
    """An address of theirs opens the portal to every client that they stand for."""
    contact = get_contact(cast.otto.id, seen_by=SYSTEM)
    link_contact(cast.acme, contact, by=cast.actor(cast.mel))
    facts = ContactFacts(name="Otto", emails=["wes@elsewhere.example"])
    acts: list[Callable[[Actor], Any]] = [
        lambda by: update_contact(contact, facts, by=by), lambda by: archive_contact(contact, by=by),
        lambda by: restore_contact(contact, by=by),
    ]
    for act in acts:
        with pytest.raises(Refused, match="you may not see"):
            act(behind)
    link_contact(cast.acme, contact, Standing(role="Auditor"), by=behind)
    link_contact(make_client("Third", cast.office), contact, by=behind)
    for act in acts:
        act(cast.actor(cast.mel))


def test_nobody_takes_down_the_wall_before_themselves(cast: Cast, behind: Actor) -> None:
    wall = db.session.scalars(sa.select(Wall).where(Wall.person_id == cast.wes.id)).one()
    with pytest.raises(NotAllowed):
        lower_wall(wall, by=behind)
    lower_wall(wall, by=cast.actor(cast.pat))
