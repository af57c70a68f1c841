"""Every movement of an entry's value has its way back, by reversing the very transaction that made it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.activity.models import Event
from app.billing.commands.credit import credit_invoice
from app.billing.commands.issue import approve_invoice
from app.billing.commands.lines import treat_item
from app.billing.commands.wip import hold_items, take_back, transfer_items, write_off_items, write_on_items
from app.billing.models import Rest, Treatment
from app.core import clock
from app.core.db import db, transaction
from app.core.errors import NotAllowed, NotFound, Refused
from app.core.ids import new_id
from app.core.proofs import run_proofs
from app.ledger.models import LedgerTransaction, TransactionKind
from app.timekeeping.commands.entries import delete_entry, edit_entry, restore_entry
from app.timekeeping.commands.splits import rejoin_entry, split_entry
from app.timekeeping.models import ItemState, TimeEntry, item_state
from app.timekeeping.written import movements_of, standing_writes
from tests.billing.make_billing import make_draft
from tests.make import Cast, make_cast, make_engagement, sign_in
from tests.timekeeping.make_time import exact_wip_of, make_entry, make_rate, wip_of
from tests.timekeeping.test_figures import HOUR, all_proven, facts_of
from tests.together import at_once

ZERO, HUNDRED = Decimal(0), Decimal(100)


@pytest.fixture
def entry(cast: Cast) -> TimeEntry:
    """An hour at 100."""
    make_rate("100")
    return make_entry(cast, recorded=HOUR)


def test_a_whole_write_off_is_taken_back_by_reversing_its_transaction(cast: Cast, entry: TimeEntry) -> None:
    write_off_items([entry.id], "By mistake", by=cast.actor(cast.pat))
    assert (entry.state, entry.open_value, wip_of(cast.acme_work)) == (ItemState.WRITTEN_OFF, 0, 0)
    with pytest.raises(Refused, match="written off; take that back first"):
        edit_entry(entry, facts_of(entry, recorded=2 * HOUR), by=cast.actor(cast.sam))
    assert take_back([entry.id], "The client pays after all", by=cast.actor(cast.pat)) == HUNDRED
    assert (entry.state, entry.open_value, entry.written, wip_of(cast.acme_work)) == (ItemState.OPEN, 100, 0, 100)
    off, back = db.session.scalars(
        sa.select(LedgerTransaction).where(LedgerTransaction.kind == TransactionKind.WRITTEN_OFF)
    ).all()
    assert (back.reverses_id, back.reason, back.posted_on) == (off.id, "The client pays after all", clock.today())
    edit_entry(entry, facts_of(entry, recorded=2 * HOUR), by=cast.actor(cast.sam))
    all_proven()


def test_taking_back_is_recorded_and_a_second_press_takes_nothing_more_back(cast: Cast, entry: TimeEntry) -> None:
    write_off_items([entry.id], "Agreed", percent=Decimal(30), by=cast.actor(cast.pat))
    [written] = standing_writes([entry.id])[entry.id]
    for amount in (Decimal(30), ZERO):
        assert take_back(
            [entry.id], "Again", transaction_id=written.transaction_id, by=cast.actor(cast.pat)
        ) == amount  # fmt: skip
    assert (entry.open_value, entry.written) == (100, 0)
    events = db.session.scalars(sa.select(Event).where(Event.kind == "billing.wip.take_back")).all()
    assert [event.subject_id for event in events] == [entry.id]
    all_proven()


def test_one_of_several_write_offs_is_taken_back_alone(cast: Cast, entry: TimeEntry) -> None:
    write_off_items([entry.id], "First", percent=Decimal(10), by=cast.actor(cast.pat))
    write_on_items([entry.id], "Second", percent=Decimal(50), by=cast.actor(cast.pat))
    write_off_items([entry.id], "Third", percent=HUNDRED, by=cast.actor(cast.pat))
    first, second, _third = standing_writes([entry.id])[entry.id]
    with pytest.raises(Refused, match=r"worth 100\.00, but 145\.00 GBP of it is written off"):
        take_back([entry.id], "No", transaction_id=second.transaction_id, by=cast.actor(cast.pat))
    take_back([entry.id], "Yes", transaction_id=first.transaction_id, by=cast.actor(cast.pat))
    assert (entry.written, entry.open_value, entry.state) == (-90, 10, ItemState.OPEN)
    take_back([entry.id], "All", by=cast.actor(cast.pat))
    assert (entry.written, entry.open_value) == (0, 100)
    assert [each.stands for each in movements_of(entry, seen_by=cast.actor(cast.pat)) if each.kind in (
        TransactionKind.WRITTEN_OFF, TransactionKind.WRITTEN_ON)] == [False] * 6  # fmt: skip
    all_proven()


def test_what_was_written_off_before_an_entry_moved_comes_back_where_it_is_now(cast: Cast, entry: TimeEntry) -> None:
    other = make_engagement(cast.acme, cast.entity, "Tax")
    write_off_items([entry.id], "Agreed", percent=Decimal(40), by=cast.actor(cast.pat))
    transfer_items([entry.id], other.id, "Wrong place", by=cast.actor(cast.bea))
    edit_entry(
        entry, facts_of(entry, worked_on=clock.today() - dt.timedelta(days=40)), by=cast.actor(cast.sam)
    )  # fmt: skip
    assert (wip_of(cast.acme_work), wip_of(other)) == (0, 60)
    take_back([entry.id], "After all", by=cast.actor(cast.pat))
    assert (wip_of(cast.acme_work), wip_of(other), entry.open_value) == (0, 100, 100)
    aged = db.session.execute(sa.text("SELECT aged_on, sum(amount) FROM balance WHERE amount <> 0 GROUP BY 1")).all()
    assert aged == [(entry.worked_on, 100)]
    all_proven()


def test_what_is_not_billable_is_written_back_and_worth_nothing(cast: Cast, entry: TimeEntry) -> None:
    write_off_items([entry.id], "Agreed", percent=Decimal(40), by=cast.actor(cast.pat))
    edit_entry(entry, facts_of(entry, billable=False), by=cast.actor(cast.sam))
    take_back([entry.id], "After all", by=cast.actor(cast.pat))
    assert (entry.written, entry.open_value, wip_of(cast.acme_work), exact_wip_of(cast.acme_work)) == (0, 0, 0, 0)
    edit_entry(entry, facts_of(entry, billable=True), by=cast.actor(cast.sam))
    assert wip_of(cast.acme_work) == 100
    all_proven()


def test_writing_up_or_off_what_has_nothing_open_is_refused(cast: Cast) -> None:
    make_rate("0")
    nothing = make_entry(cast, recorded=HOUR)
    for change in (write_on_items, write_off_items):
        with pytest.raises(Refused, match="There is nothing to write (off|up): it has nothing open") as refused:
            change([nothing.id], "Why not", percent=Decimal(50), by=cast.actor(cast.pat))
        assert refused.value.field == "percent"
    assert nothing.state is ItemState.OPEN


def test_a_held_entry_that_is_written_off_is_held_again_when_that_is_taken_back(cast: Cast, entry: TimeEntry) -> None:
    hold_items([entry.id], "Disputed", by=cast.actor(cast.bea))
    write_off_items([entry.id], "Lost", by=cast.actor(cast.pat))
    assert entry.state is ItemState.WRITTEN_OFF
    take_back([entry.id], "Won", by=cast.actor(cast.pat))
    assert entry.state is ItemState.HELD


def test_what_a_bill_wrote_off_comes_back_with_the_bill(cast: Cast, entry: TimeEntry) -> None:
    other = make_entry(cast, recorded=HOUR)
    draft = make_draft(cast)
    with pytest.raises(Refused, match="on a draft bill"):
        take_back([entry.id], "No", by=cast.actor(cast.pat))
    treat_item(draft, other.id, Treatment.WRITE_OFF, by=cast.actor(cast.bea))
    approve_invoice(draft, reason="Agreed", by=cast.actor(cast.pat))
    assert (entry.state, other.state) == (ItemState.BILLED, ItemState.WRITTEN_OFF)
    with pytest.raises(Refused, match="what a bill wrote off comes back by crediting"):
        take_back([other.id], "No", by=cast.actor(cast.pat))
    credit_invoice(draft, new_id(), "Begun anew", by=cast.actor(cast.pat))
    db.session.refresh(other)
    assert (entry.state, other.state, other.open_value) == (ItemState.OPEN, ItemState.OPEN, 100)
    all_proven()


def test_who_may_not_write_off_takes_nothing_back_and_a_stranger_finds_nothing(cast: Cast, entry: TimeEntry) -> None:
    write_off_items([entry.id], "Agreed", by=cast.actor(cast.pat))
    with pytest.raises(NotAllowed):
        take_back([entry.id], "Mine", by=cast.actor(cast.sam))
    walled = make_entry(cast, engagement=cast.rival_work)
    write_off_items([walled.id], "Agreed", by=cast.actor(cast.pat))
    from app.core.permissions import Role

    cast.wes.role = Role.PARTNER
    with pytest.raises(NotFound):
        take_back([walled.id], "Theirs", by=cast.actor(cast.wes))
    with pytest.raises(NotFound):
        take_back([new_id()], "Nobody's", by=cast.actor(cast.pat))
    with pytest.raises(Refused, match="Say why"):
        take_back([entry.id], " ", by=cast.actor(cast.pat))


@pytest.mark.parametrize("share", [1 / 2, 1 / 3, 59 / 60])
def test_each_part_of_a_divided_entry_takes_its_own_write_off_back(cast: Cast, entry: TimeEntry, share: float) -> None:
    write_off_items([entry.id], "First", percent=Decimal("33.33"), by=cast.actor(cast.pat))
    write_off_items([entry.id], "Second", percent=Decimal("50.01"), by=cast.actor(cast.pat))
    written = entry.written
    part = split_entry(entry, new_id(), dt.timedelta(seconds=round(3600 * share)), by=cast.actor(cast.sam))
    assert entry.written + part.written == written
    reasons = [each.reason for each in standing_writes([part.id])[part.id]]
    assert reasons == ["First", "Second"]
    all_proven()
    take_back([part.id], "After all", by=cast.actor(cast.pat))
    assert (part.written, part.open_value) == (0, part.value)
    take_back([entry.id], "After all", by=cast.actor(cast.pat))
    assert wip_of(cast.acme_work) == 100
    all_proven()


def test_a_part_is_put_back_with_its_time_its_value_and_its_write_offs(cast: Cast, entry: TimeEntry) -> None:
    write_off_items([entry.id], "Agreed", percent=Decimal("33.33"), by=cast.actor(cast.pat))
    before = entry.recorded, entry.charged, entry.value, entry.written, entry.open_value
    part = split_entry(entry, new_id(), HOUR / 3, by=cast.actor(cast.sam))
    for _press in range(2):
        assert rejoin_entry(part, by=cast.actor(cast.sam)).id == entry.id
    assert (entry.recorded, entry.charged, entry.value, entry.written, entry.open_value) == before
    assert (part.deleted_at is not None, part.value, part.open_value) == (True, 0, 0)
    with pytest.raises(Refused, match="put back into the entry"):
        restore_entry(part, by=cast.actor(cast.sam))
    take_back([entry.id], "After all", by=cast.actor(cast.pat))
    assert wip_of(cast.acme_work) == 100
    all_proven()


def test_a_part_that_has_gone_elsewhere_is_not_put_back(cast: Cast, entry: TimeEntry) -> None:
    part = split_entry(entry, new_id(), HOUR / 3, by=cast.actor(cast.sam))
    edit_entry(part, facts_of(part, worked_on=clock.today() - dt.timedelta(days=1)), by=cast.actor(cast.sam))
    with pytest.raises(Refused, match="no longer for the same work, day and rate"):
        rejoin_entry(part, by=cast.actor(cast.sam))
    edit_entry(part, facts_of(part, worked_on=entry.worked_on), by=cast.actor(cast.sam))
    delete_entry(entry, by=cast.actor(cast.sam))
    with pytest.raises(Refused, match="is deleted; restore that one first"):
        rejoin_entry(part, by=cast.actor(cast.sam))
    with pytest.raises(Refused, match="not taken from another"):
        restore_entry(entry, by=cast.actor(cast.sam))
        rejoin_entry(entry, by=cast.actor(cast.sam))
    with pytest.raises(NotAllowed):
        rejoin_entry(split_entry(make_entry(cast, cast.mel), new_id(), HOUR, by=cast.actor(cast.mel)),
                     by=cast.actor(cast.sam))  # fmt: skip


@pytest.mark.parametrize(
    ("figures", "state"),
    [
        ((100, 0, 0, {}), ItemState.OPEN),
        ((0, 0, 0, {}), ItemState.OPEN),
        ((0, -100, 0, {}), ItemState.WRITTEN_OFF),
        ((10, -90, 0, {"held": True}), ItemState.HELD),
        ((0, -20, 80, {}), ItemState.BILLED),
        ((50, 0, 50, {}), ItemState.OPEN),
        ((0, 0, 0, {"on_bill": True}), ItemState.BILLED),
        ((0, -90, 0, {"counts": False}), ItemState.OPEN),
        ((100, 0, 0, {"drafted": True, "held": True}), ItemState.DRAFTED),
    ],
)
def test_the_state_follows_from_the_figures(figures: tuple[int, int, int, dict[str, bool]], state: ItemState) -> None:
    open_value, written, billed, more = figures
    assert item_state(Decimal(open_value), Decimal(written), Decimal(billed), **more) is state


@pytest.mark.real
def test_two_who_take_the_same_write_off_back_at_once_take_it_back_once(real_app: Flask) -> None:
    with real_app.app_context():
        with transaction():
            firm = make_cast()
            make_rate("100")
        pat = firm.actor(firm.pat)
        entry_id = make_entry(firm, recorded=HOUR).id
        write_off_items([entry_id], "Agreed", by=pat)
        [written] = standing_writes([entry_id])[entry_id]

    def press() -> Decimal:
        return take_back([entry_id], "Twice", transaction_id=written.transaction_id, by=pat)

    assert sorted(map(str, at_once(real_app, press, press))) == ["0", "100.0000"]
    with real_app.app_context():
        assert db.session.get_one(TimeEntry, entry_id).open_value == 100
        all_proven()


def test_the_entry_tells_how_its_value_came_about_and_takes_back_there(
    client: FlaskClient, cast: Cast, entry: TimeEntry
) -> None:
    write_off_items([entry.id], "Agreed with the client", by=cast.actor(cast.pat))
    sign_in(client, cast.pat)
    page = client.get(f"/time/{entry.id}").text
    assert "Agreed with the client" in page and "Take back 100.00 GBP" in page
    listed = client.get(f"/billing/wip/clients/{cast.acme.id}?show=written-off").text
    assert str(entry.id) in listed and "Take back…" in listed
    [written] = standing_writes([entry.id])[entry.id]
    answer = client.post(
        "/billing/wip/take-back",
        data={"item": str(entry.id), "transaction": written.transaction_id, "take-back-reason": "They pay",
              "back": f"/time/{entry.id}"},
    )  # fmt: skip
    assert answer.status_code == 303 and answer.location.endswith(f"/time/{entry.id}")
    assert "They pay" in client.get(f"/time/{entry.id}").text
    assert "Take back" not in sign_in(client, cast.sam).get(f"/time/{entry.id}").text


def test_a_split_is_undone_from_the_screen(client: FlaskClient, cast: Cast, entry: TimeEntry) -> None:
    sign_in(client, cast.sam)
    part_id = new_id()
    client.post(f"/time/{entry.id}/split", data={"id": str(part_id), "taken": "0:20"})
    assert "Put back into the entry it was taken from" in client.get(f"/time/{part_id}").text
    assert client.post(f"/time/{part_id}/rejoining").status_code == 303
    db.session.refresh(entry)
    assert entry.recorded == HOUR
    assert dict(run_proofs("billing.wip_of_items")) == {"billing.wip_of_items": []}


def test_what_was_written_on_an_entry_billed_in_part_is_taken_back_while_that_much_is_open(
    cast: Cast, entry: TimeEntry
) -> None:
    draft, bea = make_draft(cast), cast.actor(cast.bea)
    treat_item(draft, entry.id, Treatment.BILL, by=bea, amount=Decimal(40), rest=Rest.CARRY)
    approve_invoice(draft, by=bea)
    write_on_items([entry.id], "Agreed", by=bea, percent=HUNDRED)
    assert (entry.state, entry.billed, entry.open_value) == (ItemState.OPEN, 40, 120)
    assert take_back([entry.id], "Mistake", by=bea) == 60
    assert (entry.billed, entry.written, entry.open_value) == (40, 0, 60)
    write_on_items([entry.id], "Agreed", by=bea, percent=HUNDRED)
    second = make_draft(cast)
    treat_item(second, entry.id, Treatment.BILL, by=bea, amount=HUNDRED, rest=Rest.CARRY)
    approve_invoice(second, by=bea)
    with pytest.raises(Refused, match="140.00 GBP of it is billed"):
        take_back([entry.id], "Mistake", by=bea)
    assert (entry.billed, entry.open_value) == (140, 20)
    all_proven()
