"""Where a day's time on a job is rounded as one, it is so after everything that can happen to any of its entries."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal

import pytest
import sqlalchemy as sa
from flask import Flask

from app.activity.models import Event
from app.billing.commands.credit import credit_invoice
from app.billing.commands.drafts import discard_draft
from app.billing.commands.issue import approve_invoice
from app.billing.commands.lines import remove_line, treat_item
from app.billing.commands.totals import lines_of
from app.billing.commands.wip import take_back, transfer_items, write_off_items
from app.billing.models import Invoice, Treatment
from app.core import clock
from app.core.clock import now, today
from app.core.db import db, transaction
from app.core.errors import Refused
from app.core.ids import new_id
from app.core.rounding import RoundingRule, RoundMode, RoundPer
from app.timekeeping.commands.entries import delete_entry, edit_entry, record_entry, restore_entry
from app.timekeeping.commands.splits import rejoin_entry, split_entry
from app.timekeeping.commands.timers import start_timer, stop_timer
from app.timekeeping.models import TimeEntry
from app.timekeeping.targets import Target
from tests.billing.make_billing import make_draft
from tests.make import Cast, make_cast, make_engagement
from tests.timekeeping.make_time import exact_wip_of, make_entry, make_rate, wip_of
from tests.timekeeping.test_figures import all_proven, facts_of
from tests.together import at_once

MINUTE = dt.timedelta(minutes=1)
BY_DAY = RoundingRule(15, RoundMode.UP, per=RoundPer.DAY_AND_JOB)


@pytest.fixture
def day(cast: Cast) -> Cast:
    """Acme's work is rounded up to a quarter of an hour, by day and job, at 60 an hour: a minute is worth 1."""
    make_rate("60")
    cast.acme_work.rounding = BY_DAY.to_json()
    db.session.commit()
    return cast


def minutes(*entries: TimeEntry) -> list[int]:
    for entry in entries:
        db.session.refresh(entry)
    return [int(entry.charged / MINUTE) for entry in entries]


def two(day: Cast, first: int = 10, second: int = 15) -> tuple[TimeEntry, TimeEntry]:
    return make_entry(day, recorded=first * MINUTE), make_entry(day, recorded=second * MINUTE)


def holds(day: Cast, worth: int) -> None:
    """What is charged of Acme's work is worth this, on the entries and in the ledger."""
    assert wip_of(day.acme_work) == exact_wip_of(day.acme_work) == Decimal(worth)
    values = db.session.scalar(sa.select(sa.func.sum(TimeEntry.open_value)).where(
        TimeEntry.engagement_id == day.acme_work.id, TimeEntry.deleted_at.is_(None)))  # fmt: skip
    assert (values or 0) == worth
    all_proven()


def test_when_the_first_entry_is_deleted_the_others_are_charged_what_the_day_comes_to(day: Cast) -> None:
    first, second = two(day, 25, 5)
    assert minutes(first, second) == [30, 0]
    delete_entry(first, by=day.actor(day.sam))
    assert minutes(second) == [15]
    holds(day, 15)
    restore_entry(first, by=day.actor(day.sam))
    assert minutes(first, second) == [30, 0]
    holds(day, 30)


def test_when_the_first_entry_is_shortened_or_lengthened_the_day_is_rounded_anew(day: Cast) -> None:
    first, second = two(day, 10, 15)
    assert minutes(first, second) == [15, 15]
    edit_entry(first, facts_of(first, recorded=40 * MINUTE), by=day.actor(day.sam))
    assert minutes(first, second) == [45, 15]
    holds(day, 60)
    edit_entry(first, facts_of(first, recorded=MINUTE), by=day.actor(day.sam))
    assert sum(minutes(first, second)) == 30
    holds(day, 30)


@pytest.mark.parametrize("move", ["day", "engagement", "not billable"])
def test_when_an_entry_moves_away_both_days_are_rounded_anew(day: Cast, move: str) -> None:
    first, second = two(day, 25, 5)
    other = make_engagement(day.acme, day.entity, "Tax", rounding=BY_DAY.to_json())
    there = {
        "day": {"worked_on": today() - dt.timedelta(days=1)},
        "engagement": {"engagement_id": other.id},
        "not billable": {"billable": False},
    }[move]
    edit_entry(first, facts_of(first, **there), by=day.actor(day.sam))
    assert minutes(first, second) == [30, 15]
    holds(day, {"day": 45, "engagement": 15, "not billable": 15}[move])
    edit_entry(
        first, facts_of(first, worked_on=today(), engagement_id=day.acme_work.id, billable=True), by=day.actor(day.sam)
    )  # fmt: skip
    assert sum(minutes(first, second)) == 30
    holds(day, 30)


def test_a_transfer_rounds_both_days_anew(day: Cast) -> None:
    first, second = two(day, 25, 5)
    other = make_engagement(day.acme, day.entity, "Tax", rounding=BY_DAY.to_json())
    there = make_entry(day, engagement=other, recorded=2 * MINUTE)
    transfer_items([first.id], other.id, "Wrong place", by=day.actor(day.bea))
    assert (minutes(second), sum(minutes(first, there))) == ([15], 30)
    assert wip_of(other) == exact_wip_of(other) == 30
    holds(day, 15)


def test_what_is_on_a_draft_billed_or_written_off_stays_and_the_difference_lies_on_the_rest(day: Cast) -> None:
    first, second, third = *two(day, 10, 4), make_entry(day, recorded=16 * MINUTE)
    assert minutes(first, second, third) == [15, 0, 15]
    write_off_items([first.id], "Agreed", percent=Decimal(20), by=day.actor(day.pat))
    edit_entry(third, facts_of(third, recorded=MINUTE), by=day.actor(day.sam))
    assert minutes(first, second, third) == [15, 0, 0]
    draft = make_draft(day)
    late = make_entry(day, recorded=MINUTE)
    assert minutes(first, second, third, late) == [15, 0, 0, 15]
    approve_invoice(draft, by=day.actor(day.pat), reason="Agreed")
    edit_entry(late, facts_of(late, recorded=20 * MINUTE), by=day.actor(day.sam))
    assert minutes(first, second, third, late) == [15, 0, 0, 30]
    with pytest.raises(Refused):
        delete_entry(first, by=day.actor(day.sam))
    holds(day, 30)


def _discarded(day: Cast, entry: TimeEntry, draft: Invoice) -> None:
    discard_draft(draft, by=day.actor(day.bea))


def _left_for_later(day: Cast, entry: TimeEntry, draft: Invoice) -> None:
    for _press in range(2):
        treat_item(draft, entry.id, Treatment.LATER, by=day.actor(day.bea))


def _line_removed(day: Cast, entry: TimeEntry, draft: Invoice) -> None:
    [line] = lines_of(draft)
    remove_line(draft, line.id, by=day.actor(day.bea))


def _credited(day: Cast, entry: TimeEntry, draft: Invoice) -> None:
    approve_invoice(draft, by=day.actor(day.pat))
    credit_invoice(draft, new_id(), "Wrong", by=day.actor(day.pat))


@pytest.mark.parametrize("freed", [_discarded, _left_for_later, _line_removed, _credited])
def test_whatever_frees_an_entry_rounds_its_day_anew(
    day: Cast, freed: Callable[[Cast, TimeEntry, Invoice], None]
) -> None:
    first, second = two(day, 20, 20)
    assert minutes(first, second) == [30, 15]
    draft = make_draft(day)
    treat_item(draft, first.id, Treatment.LATER, by=day.actor(day.bea))
    delete_entry(first, by=day.actor(day.sam))
    assert minutes(second) == [15]  # on the draft it keeps what it was charged
    freed(day, second, draft)
    assert minutes(second) == [30]
    holds(day, 30)


def test_an_entry_whose_write_off_is_taken_back_is_rounded_with_its_day_again(day: Cast) -> None:
    first, second = two(day, 20, 20)
    write_off_items([second.id], "Agreed", by=day.actor(day.pat))
    delete_entry(first, by=day.actor(day.sam))
    assert minutes(second) == [15]
    take_back([second.id], "Mistake", by=day.actor(day.pat))
    assert minutes(second) == [30]
    holds(day, 30)


def test_dividing_and_putting_back_leave_the_day_as_it_is(day: Cast) -> None:
    first, second = two(day, 25, 5)
    part = split_entry(first, new_id(), 10 * MINUTE, by=day.actor(day.sam))
    assert sum(minutes(first, part, second)) == 30
    delete_entry(second, by=day.actor(day.sam))
    assert sum(minutes(first, part)) == 30
    rejoin_entry(part, by=day.actor(day.sam))
    assert minutes(first) == [30]
    holds(day, 30)


def test_time_of_others_of_another_job_and_under_another_rule_is_rounded_by_itself(day: Cast) -> None:
    make_entry(day, recorded=5 * MINUTE)
    make_entry(day, day.mel, recorded=5 * MINUTE)
    make_entry(day, recorded=5 * MINUTE, worked_on=today() - dt.timedelta(days=1))
    day.acme_work.rounding = RoundingRule(6, RoundMode.UP, per=RoundPer.DAY_AND_JOB).to_json()
    db.session.commit()
    later = make_entry(day, recorded=5 * MINUTE)
    assert minutes(later) == [6]
    holds(day, 51)


def test_a_timer_that_is_stopped_is_rounded_with_the_day(day: Cast) -> None:
    noon = now().replace(hour=12)
    with clock.travel_to(noon):
        make_entry(day, recorded=10 * MINUTE)
        timer = start_timer(new_id(), Target(engagement_id=day.acme_work.id), by=day.actor(day.sam))
    with clock.travel_to(noon + 4 * MINUTE):
        (entry,) = stop_timer(timer, by=day.actor(day.sam))
    assert minutes(entry) == [0]
    holds(day, 15)


def test_whoever_is_charged_anew_is_told_of_in_the_log(day: Cast) -> None:
    first, second = two(day, 25, 5)
    delete_entry(first, by=day.actor(day.sam))
    events = db.session.scalars(sa.select(Event).where(Event.kind == "timekeeping.entry.recharge")).all()
    assert [event.subject_id for event in events] == [second.id]


def test_the_same_entry_sent_twice_changes_nobody_twice(day: Cast) -> None:
    first = make_entry(day, recorded=25 * MINUTE)
    facts, second_id = facts_of(first, recorded=5 * MINUTE), new_id()
    for _press in range(2):
        second = record_entry(second_id, facts, by=day.actor(day.sam))
    assert minutes(first, second) == [30, 0]
    holds(day, 30)


@pytest.mark.real
def test_entries_recorded_and_changed_at_once_are_rounded_as_one(real_app: Flask) -> None:
    with real_app.app_context():
        with transaction():
            cast = make_cast()
            make_rate("60")
            cast.acme_work.rounding = BY_DAY.to_json()
        sam = cast.actor(cast.sam)
        first = make_entry(cast, recorded=25 * MINUTE)
        facts, first_id = facts_of(first, recorded=4 * MINUTE), first.id

    def add() -> object:
        return record_entry(new_id(), facts, by=sam)

    def remove() -> object:
        return delete_entry(db.session.get_one(TimeEntry, first_id), by=sam)

    done = at_once(real_app, add, add, remove, add)
    assert not [each for each in done if isinstance(each, Exception)]
    with real_app.app_context():
        charged = db.session.scalars(sa.select(TimeEntry.charged).where(TimeEntry.deleted_at.is_(None))).all()
        assert sum(charged, dt.timedelta()) == 15 * MINUTE
        all_proven()
