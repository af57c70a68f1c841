"""A write-off above the limit of whoever wants it waits for somebody else; nothing is posted before."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.activity.models import Event
from app.approvals.commands import LimitFacts, Outdated, decline_approval, set_limit, withdraw_approval
from app.approvals.models import Approval, Decision
from app.approvals.queries import get_approval, list_to_decide
from app.billing.commands.items import items_by_id
from app.billing.commands.wip import take_back, transfer_items, write_off_items
from app.billing.commands.write_offs import Part, WrittenOff, approve_write_off, write_off_parts
from app.billing.queries.items import entries_of_write_off
from app.clients.models import Wall
from app.core import clock
from app.core.actors import Actor
from app.core.db import db, transaction
from app.core.errors import FirmamentError, NotAllowed, NotFound, Refused
from app.core.ids import new_id
from app.core.permissions import Role
from app.firm.models import Entity
from app.ledger.models import ExchangeRate, LedgerTransaction, TransactionKind
from app.timekeeping.models import ItemState, TimeEntry, WriteOffItem
from tests.approvals.make_approvals import WRITE_OFF, found_by, limit
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.make import Cast, count, keep, make_engagement, make_person, sign_in


@pytest.fixture
def entry(session: Session, cast: Cast) -> TimeEntry:
    """Ten hours, worth 1,000; nobody in billing writes off more than 300."""
    make_rate("100")
    limit(cast, Role.BILLING, "300", WRITE_OFF)
    return make_entry(cast, "10")


def only() -> Approval:
    [one] = db.session.scalars(sa.select(Approval))
    return one


def waiting() -> Approval:
    return db.session.scalars(sa.select(Approval).where(Approval.decision == Decision.PENDING)).one()


def written_off() -> int:
    kind = LedgerTransaction.kind == TransactionKind.WRITTEN_OFF
    return int(db.session.scalar(sa.select(sa.func.count()).select_from(LedgerTransaction).where(kind)) or 0)


def test_within_the_limit_it_is_done_and_the_row_says_by_whom(entry: TimeEntry, cast: Cast) -> None:
    done = write_off_items([entry.id], "Training", by=cast.actor(cast.bea), percent=Decimal(30))
    assert (done.done, done.asked, entry.open_value) == (300, 0, 700)
    one = only()
    assert (one.decision, one.amount, one.limit_amount, one.reason) == (Decision.APPROVED, 300, 300, "Training")
    assert db.session.scalar(sa.select(WriteOffItem.transaction_id)) is not None
    assert found_by("approvals", "billing", "ledger") == []


def test_above_the_limit_nothing_is_posted_until_somebody_else_approves(entry: TimeEntry, cast: Cast) -> None:
    bea, pat = cast.actor(cast.bea), cast.actor(cast.pat)
    asked = write_off_items([entry.id], "Training", by=bea)
    assert (asked.done, asked.asked) == (0, 1000)
    assert (entry.open_value, entry.state, written_off()) == (1000, ItemState.OPEN, 0)
    one = only()
    assert list(list_to_decide(seen_by=pat)[0]) == [one] and not list_to_decide(seen_by=bea)[0]
    assert approve_write_off(one, by=pat) == 1000
    assert (entry.open_value, entry.state) == (0, ItemState.WRITTEN_OFF)
    assert (one.decision, one.decided_by, one.asked_by) == (Decision.APPROVED, cast.pat.id, cast.bea.id)
    assert approve_write_off(one, by=pat) == 1000 and written_off() == 1  # a second time nothing happens
    kinds = set(db.session.scalars(sa.select(Event.kind).where(Event.subject_id == one.id)))
    assert kinds == {"approvals.approval.asked", "approvals.approval.approved"}
    assert found_by("approvals", "billing", "ledger") == []


def test_nobody_approves_their_own_and_nobody_above_their_limit(entry: TimeEntry, cast: Cast) -> None:
    write_off_items([entry.id], "Training", by=cast.actor(cast.bea))
    limit(cast, Role.MANAGER, "999.99", WRITE_OFF)
    with pytest.raises(Refused, match=r"1,000\.00 GBP; your limit is 999\.99"):
        approve_write_off(only(), by=cast.actor(cast.mel))
    limit(cast, cast.bea, None, WRITE_OFF)
    with pytest.raises(Refused, match="asked for this yourself"):
        approve_write_off(only(), by=cast.actor(cast.bea))
    assert written_off() == 0 and only().decision is Decision.PENDING


def test_the_same_entry_is_asked_for_once_at_a_time(entry: TimeEntry, cast: Cast) -> None:
    write_off_items([entry.id], "Training", by=cast.actor(cast.bea))
    for person in (cast.bea, cast.pat):
        with pytest.raises(Refused, match="waits for approval already"):
            write_off_items([entry.id], "Training", by=cast.actor(person))
    assert count(Approval) == 1


def test_what_has_changed_since_is_refused_with_both_and_asked_for_anew(entry: TimeEntry, cast: Cast) -> None:
    bea, pat = cast.actor(cast.bea), cast.actor(cast.pat)
    write_off_items([entry.id], "Training", by=bea, percent=Decimal(50))
    with transaction():  # as an edit would
        entry.value = entry.value - 400
        entry.open_value = entry.open_value - 400
    with pytest.raises(Outdated, match=r"open 1,000\.00 → 600\.00 GBP"):
        approve_write_off(only(), by=pat)
    assert only().decision is Decision.WITHDRAWN and written_off() == 0
    with pytest.raises(Refused, match="withdrawn by now"):
        approve_write_off(only(), by=pat)
    write_off_items([entry.id], "Training", by=bea)
    [again] = list_to_decide(seen_by=pat)[0]
    assert again.amount == 600


def test_an_entry_that_moved_or_is_on_a_draft_is_not_written_off(entry: TimeEntry, cast: Cast) -> None:
    bea, pat = cast.actor(cast.bea), cast.actor(cast.pat)
    write_off_items([entry.id], "Training", by=bea)
    make_draft(cast)
    db.session.expire_all()
    with pytest.raises(Outdated, match="open → drafted"):
        approve_write_off(only(), by=pat)
    other = make_entry(cast, "5")
    write_off_items([other.id], "Training", by=bea)
    transfer_items([other.id], make_engagement(cast.acme, cast.entity, "Else").id, "Wrong one", by=bea)
    [asked] = list_to_decide(seen_by=pat)[0]
    with pytest.raises(Outdated, match="another engagement"):
        approve_write_off(asked, by=pat)
    assert written_off() == 0


def test_withdrawn_or_declined_everything_stays_as_it_was(entry: TimeEntry, cast: Cast) -> None:
    bea, pat = cast.actor(cast.bea), cast.actor(cast.pat)
    write_off_items([entry.id], "Training", by=bea)
    first = only()
    with pytest.raises(NotAllowed):
        withdraw_approval(first, by=pat)
    withdraw_approval(first, by=bea)
    write_off_items([entry.id], "Training", by=bea)
    [second] = list_to_decide(seen_by=pat)[0]
    decline_approval(second, "Bill it", by=pat)
    with pytest.raises(Refused, match="declined by now"):
        approve_write_off(second, by=pat)
    assert (entry.open_value, written_off()) == (1000, 0)
    assert found_by("approvals", "billing") == []


def test_several_entries_are_one_amount_before_the_limit(entry: TimeEntry, cast: Cast) -> None:
    ids = [make_entry(cast, "1").id for _ in range(4)]
    asked = write_off_items(ids, "Training", by=cast.actor(cast.bea))
    assert (asked.done, asked.asked, asked.why) == (0, 400, "It is 400.00 GBP; your limit is 300.00.")
    assert len(entries_of_write_off(only(), seen_by=cast.actor(cast.pat))) == 4
    assert approve_write_off(only(), by=cast.actor(cast.pat)) == 400 and written_off() == 4


def test_parts_of_two_currencies_are_two_amounts_before_the_limit(entry: TimeEntry, cast: Cast) -> None:
    keep(ExchangeRate(currency="EUR", base="GBP", rate=Decimal("0.5"), from_on=dt.date(2020, 1, 1)))
    make_rate("100", currency="EUR")
    abroad = make_entry(cast, "5", engagement=make_engagement(cast.acme, cast.entity, "Abroad", currency="EUR"))
    bea = cast.actor(cast.bea)

    def part(*amounts: tuple[TimeEntry, int], by: Actor = bea) -> WrittenOff:
        with transaction():
            items = items_by_id([each.id for each, _ in amounts], seen_by=bea, lock=True)
            return write_off_parts([Part(items[each.id], Decimal(of)) for each, of in amounts], "Training", by=by)

    walled = replace(bea, walled_clients=frozenset({cast.acme.id}))
    for actor in (cast.actor(cast.sam), cast.contact(cast.cleo), walled):
        with pytest.raises(NotAllowed):
            part((entry, 1), by=actor)
    why = "With what you gave up there today it is 550.00 GBP; your limit is 300.00."
    assert part((entry, 400), (abroad, 300)) == WrittenOff(done=Decimal(300), asked=Decimal(400), why=why)
    assert (entry.open_value, abroad.open_value, written_off()) == (1000, 200, 1)
    with pytest.raises(Refused, match="waits for approval already"):
        part((abroad, 100), (entry, 400))
    assert (abroad.open_value, written_off()) == (200, 1)  # all of them or none
    assert part((abroad, 200)) == WrittenOff(done=Decimal(200), asked=Decimal(0))  # 250 in all, in pounds
    assert found_by("approvals", "billing", "ledger") == []


def test_small_ones_of_one_client_and_day_count_together_and_what_is_taken_back_counts_no_more(
    entry: TimeEntry, cast: Cast
) -> None:
    bea, few = cast.actor(cast.bea), [make_entry(cast, "1").id for _ in range(4)]
    elsewhere = make_entry(cast, "3", engagement=cast.rival_work)
    for each in few[:3]:
        assert write_off_items([each], "Training", by=bea).done == 100
    assert write_off_items([few[3]], "Training", by=bea).asked == 100  # 400 of the 300 that may be
    waits = waiting()
    with pytest.raises(Refused, match="somebody else has to approve it|Somebody else has to approve it"):
        approve_write_off(waits, by=bea)
    assert write_off_items([elsewhere.id], "Training", by=bea).done == 300  # another client
    withdraw_approval(waits, by=bea)
    take_back([few[0]], "Mistake", by=bea)
    assert write_off_items([few[3]], "Training", by=bea).done == 100
    with clock.travel_to(clock.now() + dt.timedelta(days=1)):
        assert write_off_items([few[0]], "Training", by=bea).done == 100
    assert found_by("approvals", "billing") == []


def test_what_two_people_decided_and_what_others_wrote_off_do_not_count_with_ones_own(
    entry: TimeEntry, cast: Cast
) -> None:
    bea, mel, hours = cast.actor(cast.bea), cast.actor(cast.mel), [make_entry(cast, "3").id for _ in range(4)]
    limit(cast, cast.mel, "100", WRITE_OFF)
    write_off_items([entry.id], "Training", by=bea)
    approve_write_off(only(), by=cast.actor(cast.pat))  # 1,000 of Bea's, by Pat's word
    write_off_items(hours[:1], "Training", by=mel)
    approve_write_off(waiting(), by=bea)  # 300 of Mel's, by Bea's word
    assert write_off_items(hours[1:2], "Training", by=cast.actor(cast.pat)).done == 300
    assert write_off_items(hours[2:3], "Training", by=bea).done == 300
    assert write_off_items(hours[3:], "Training", by=bea).why == (
        "With what you gave up there today it is 600.00 GBP; your limit is 300.00."
    )


def test_what_was_written_off_in_another_entity_does_not_count_there(entry: TimeEntry, cast: Cast) -> None:
    bea, branch = cast.actor(cast.bea), keep(Entity(name="Hartwell North", country="GB", currency="GBP"))
    there = make_entry(cast, "3", engagement=make_engagement(cast.acme, branch, "Payroll"))
    facts = LimitFacts(
        entity_id=branch.id, kind=WRITE_OFF, amount=Decimal(300), from_on=clock.today(), role=Role.BILLING
    )  # fmt: skip
    set_limit(new_id(), facts, by=cast.actor(cast.ada))
    assert write_off_items([make_entry(cast, "3").id], "Training", by=bea).done == 300
    assert write_off_items([there.id], "Training", by=bea).done == 300


def test_what_was_approved_is_taken_back_as_ever(entry: TimeEntry, cast: Cast) -> None:
    write_off_items([entry.id], "Training", by=cast.actor(cast.bea))
    approve_write_off(only(), by=cast.actor(cast.pat))
    take_back([entry.id], "By mistake", by=cast.actor(cast.bea))
    assert entry.open_value == 1000
    assert found_by("approvals", "billing", "ledger") == []


def test_a_wall_and_a_contact_neither_see_nor_approve_it(session: Session, cast: Cast) -> None:
    make_rate("100")
    limit(cast, Role.BILLING, "300", WRITE_OFF)
    entry = make_entry(cast, "10", engagement=cast.rival_work)
    write_off_items([entry.id], "Training", by=cast.actor(cast.bea))
    one = only()
    with transaction():
        walled = make_person("Paula", Role.PARTNER, cast.office)
        keep(Wall(person_id=walled.id, engagement_id=cast.rival_work.id, reason="Family", created_at=clock.now()))
    for actor in (cast.actor(walled), cast.contact(cast.otto), cast.actor(cast.sam)):
        with pytest.raises((NotFound, NotAllowed)):
            get_approval(one.id, seen_by=actor)
        with pytest.raises(FirmamentError):
            approve_write_off(one, by=actor)
    assert not list_to_decide(seen_by=cast.actor(walled))[0] and written_off() == 0


def test_the_database_keeps_what_was_asked_for(entry: TimeEntry, cast: Cast, session: Session) -> None:
    write_off_items([entry.id], "Training", by=cast.actor(cast.bea))
    for change in ("UPDATE write_off_item SET amount = 1", "DELETE FROM write_off_item"):
        with pytest.raises(sa.exc.IntegrityError), session.begin_nested():
            session.execute(sa.text(change))


def test_the_pages_say_what_waits_and_let_it_be_decided(client: FlaskClient, entry: TimeEntry, cast: Cast) -> None:
    bea = sign_in(client, cast.bea)
    form = {"item": str(entry.id), "write-off-percent": "100", "write-off-reason": "Training"}
    bea.post("/billing/wip/write-off", data={**form, "back": "/billing"})
    page = bea.get("/billing").get_data(as_text=True)
    assert "its approval is asked for. It is 1,000.00 GBP; your limit is 300.00." in page
    assert "Write-off asked" in bea.get(f"/billing/wip/clients/{cast.acme.id}").get_data(as_text=True)
    assert "waits for approval" in bea.get(f"/time/{entry.id}").get_data(as_text=True)
    one = only()
    pat = sign_in(client, cast.pat)
    page = pat.get(f"/billing/approvals/{one.id}").get_data(as_text=True)
    assert "Training" in page and "1,000.00" in page and "Approve and write off" in page
    assert pat.post(f"/billing/approvals/{one.id}/approval").status_code == 303
    db.session.expire_all()
    assert entry.state is ItemState.WRITTEN_OFF
    assert "waits for approval" not in pat.get(f"/time/{entry.id}").get_data(as_text=True)
