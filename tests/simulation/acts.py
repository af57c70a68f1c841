"""What people do at both doors, chosen by dice among what there is."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.billing.models import Invoice
from app.core import clock
from app.core.db import db
from app.core.ids import new_id
from app.jobs.models import Task, TaskState
from app.requests.models import STILL_TO_COME, TO_REVIEW, ItemKind, ItemState, RequestItem
from app.timekeeping.models import TimeEntry, Timer
from tests.journeys.world import PDF
from tests.simulation.house import DONE, REFUSED, UNKNOWN, House

Act = Callable[[House], Any]
ACTS: dict[str, tuple[Act, int]] = {}
STAFF = ("sam", "mel", "bea", "pat")
BAD = b"MZ\x90\x00" + b"\x00" * 60 + b"This program cannot be run in DOS mode."


def act(weight: int = 2) -> Callable[[Act], Act]:
    def add(function: Act) -> Act:
        ACTS[function.__name__] = function, weight
        return function

    return add


def some_acts(dice: random.Random, many: int) -> list[str]:
    """Each act once and the rest by weight, in any order."""
    names = sorted(ACTS)
    chosen = names + dice.choices(names, [ACTS[name][1] for name in names], k=many - len(names))
    dice.shuffle(chosen)
    return chosen


def some(house: House, statement: sa.Select[Any]) -> Any:
    """One of the rows that are there; None when there is none."""
    with house.app.app_context():
        rows = db.session.execute(statement).all()
        db.session.rollback()
    return house.dice.choice(rows) if rows else None


def its_work(house: House) -> str:
    return f"engagement:{house.dice.choice((house.cast.acme_work, house.cast.rival_work)).id}"


@act(5)
def record_time(house: House) -> None:
    house.make(
        house.dice.choice(STAFF), "time_entry", "/time", work=its_work(house), worked_on=clock.today().isoformat(),
        recorded=f"{house.dice.randint(1, 4)}:{house.dice.randint(0, 59):02d}", narrative="Work", billable="y",
    )  # fmt: skip


@act(2)
def change_time(house: House) -> None:
    if row := some(house, sa.select(TimeEntry.id, TimeEntry.version).where(TimeEntry.deleted_at.is_(None))):
        house.send("pat", f"/time/{row.id}", data={
            "version": str(row.version), "work": its_work(house), "worked_on": clock.today().isoformat(),
            "recorded": f"0:{house.dice.randint(6, 59):02d}", "narrative": "Less", "billable": "y",
        })  # fmt: skip


@act(1)
def delete_or_restore_time(house: House) -> None:
    if row := some(house, sa.select(TimeEntry.id, TimeEntry.deleted_at)):
        house.send("pat", f"/time/{row.id}/{'restoration' if row.deleted_at else 'deletion'}")


@act(2)
def start_a_timer(house: House) -> None:
    house.send(house.dice.choice(STAFF), "/timers", data={"id": str(new_id()), "work": its_work(house)})


@act(2)
def use_a_timer(house: House) -> None:
    if row := some(house, sa.select(Timer.id, Timer.person_id)):
        who = next(name for name in STAFF if getattr(house.cast, name).id == row.person_id)
        house.send(who, f"/timers/{row.id}/{house.dice.choice(('stop', 'stop', 'pause', 'resumption'))}")


@act(5)
def finish_a_step(house: House) -> None:
    if row := some(house, sa.select(Task.id).where(Task.state.in_((TaskState.READY, TaskState.IN_PROGRESS)))):
        result, _ = house.send("mel", f"/tasks/{row.id}/completion", data={"answered": "1", "filed": "y"})
        _finished(house, row.id, result, True)


@act(1)
def reopen_a_step(house: House) -> None:
    if row := some(house, sa.select(Task.id).where(Task.state == TaskState.DONE)):
        result, _ = house.send("mel", f"/tasks/{row.id}/reopening", data={"later": "leave"})
        for task in list(house.told.finished):  # those after it may be opened too
            _finished(house, task, UNKNOWN if result == DONE and task != row.id else REFUSED, False)
        _finished(house, row.id, UNKNOWN if result == DONE else result, False)


def _finished(house: House, task: UUID, result: str, done: bool) -> None:
    if result == DONE:
        house.told.finished[task] = done
    elif result == UNKNOWN:
        house.told.finished[task] = None


@act(2)
def write_a_note(house: House) -> None:
    house.make(house.dice.choice(STAFF), "comment", f"/comments/client/{house.cast.acme.id}", body="Rang them")


@act(2)
def spend(house: House) -> None:
    house.make(
        "sam", "expense", "/expenses", work=its_work(house), spent_on=clock.today().isoformat(),
        net=str(house.dice.randint(1, 90)), narrative="Filing fee", category="other",
    )  # fmt: skip


@act(3)
def ask_the_client(house: House) -> None:
    made = house.make(
        "mel", "client_request", "/requests/new",
        **{"client": str(house.cast.acme.id), "name": "Papers", "items-label": "Statements", "items-kind": "upload",
           "items-code": "", "items-required": "yes", "items-help": "", "items-options": "", "remind_after": "3",
           "remind_every": "4", "remind_most": "5"},
    )  # fmt: skip
    if house.told.made.get(made):
        house.send("mel", f"/requests/{made}/sending")


@act(2)
def draft_a_bill(house: House) -> None:
    client = house.dice.choice((house.cast.acme, house.cast.rival))
    work = house.cast.acme_work if client is house.cast.acme else house.cast.rival_work
    house.make("bea", "", f"/billing/clients/{client.id}/draft", until=clock.today().isoformat(),
               grouping="engagement", engagement=str(work.id))


@act(3)
def issue_a_bill(house: House) -> None:
    if row := some(house, sa.select(Invoice.id, Invoice.version).where(Invoice.number.is_(None))):
        house.send("pat", f"/billing/invoices/{row.id}/approval", data={
            "version": str(row.version), "send": house.dice.choice(("1", "")), "without_address": "1",
            "reason": "Agreed",
        })  # fmt: skip


@act(1)
def send_a_bill(house: House) -> None:
    if row := some(house, sa.select(Invoice.id).where(Invoice.number.is_not(None))):
        house.send("pat", f"/billing/invoices/{row.id}/sending", data={"send_id": str(new_id())})


@act(2)
def be_paid(house: House) -> None:
    client = house.dice.choice((house.cast.acme, house.cast.rival))
    house.make(
        "bea", "payment", "/billing/payments", client=str(client.id), entity_id=str(house.cast.entity.id),
        currency="GBP", amount=str(Decimal(house.dice.randint(1, 50_000)) / 100), method="transfer", spread="auto",
        received_on=clock.today().isoformat(),
    )  # fmt: skip


@act(1)
def credit_a_bill(house: House) -> None:
    if row := some(house, sa.select(Invoice.id).where(Invoice.number.is_not(None), Invoice.kind == "invoice")):
        house.send("pat", f"/billing/invoices/{row.id}/credit", data={"id": str(new_id()), "reason": "Wrong"})


# At the clients' door.


def _an_item(house: House, *kinds: ItemKind, states: Sequence[ItemState] = STILL_TO_COME) -> Any:
    """Mostly one that waits for this; sometimes any."""
    wanted = sa.select(RequestItem.id, RequestItem.request_id, RequestItem.kind).where(
        RequestItem.kind.in_(kinds), RequestItem.client_id == house.cast.acme.id).order_by(RequestItem.id)
    fitting = some(house, wanted.where(RequestItem.state.in_(states))) if house.dice.random() < 0.9 else None
    return fitting or some(house, wanted)


@act(8)
def answer(house: House) -> None:
    if item := _an_item(house, ItemKind.AMOUNT, ItemKind.LONG_TEXT):
        value = str(house.dice.randint(1, 10_000))
        result, _ = house.send("cleo", f"/portal/requests/{item.request_id}/items/{item.id}/answer",
                               data={"value": value}, headers={"HX-Request": "true"})
        allowed = house.told.answers.setdefault(item.id, set())
        if result == DONE:
            allowed.clear()
        if result != REFUSED:
            allowed.add(value)


@act(6)
def give_a_file(house: House) -> None:
    item = _an_item(house, ItemKind.UPLOAD)
    if item is None:
        return
    id_ = new_id()
    body = house.dice.choice((PDF + house.dice.randbytes(8).hex().encode(), b"One,two\n1,2\n", BAD))
    asked = {"id": str(id_), "name": "statement.pdf" if body.startswith(b"%PDF") else "list.csv", "size": len(body)}
    result, plan = house.send("cleo", f"/portal/requests/{item.request_id}/items/{item.id}/uploads", json=asked)
    house.told.files[id_] = body
    if result == DONE and plan is not None:
        for address in (plan.get_json() or {}).get("addresses", {}).values():
            house.bucket.send_part(address, body)
        if house.dice.random() < 0.85:  # else the tab was closed
            finish_a_file(house, id_)


def finish_a_file(house: House, id_: UUID) -> None:
    digest = hashlib.sha256(house.told.files[id_]).hexdigest()
    result, _ = house.send("cleo", f"/portal/uploads/{id_}/completion", json={"digests": [digest]})
    if result == DONE:
        house.told.arrived.add(id_)


@act(3)
def hand_over(house: House) -> None:
    if item := _an_item(house, *ItemKind):
        house.send("cleo", f"/portal/requests/{item.request_id}/submission")


@act(2)
def return_or_accept(house: House) -> None:
    if item := _an_item(house, *ItemKind, states=TO_REVIEW):
        what, data = house.dice.choice((("acceptance", {}), ("return", {"reason": "Another one, please"})))
        house.send("mel", f"/requests/items/{item.id}/{what}", data=data)
