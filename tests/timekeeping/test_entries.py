"""Recording time and changing it before it is billed."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.billing.commands.issue import approve_invoice
from app.billing.commands.wip import write_off_items
from app.core.clock import today
from app.core.errors import NotAllowed, NotFound, Refused, Stale
from app.core.ids import new_id
from app.core.proofs import run_proofs
from app.jobs.models import Task
from app.timekeeping.commands import entries
from app.timekeeping.commands.entries import EntryFacts, delete_entry, edit_entry, record_entry, restore_entry
from app.timekeeping.commands.rates import RateFacts, add_rate
from app.timekeeping.commands.splits import split_entry
from app.timekeeping.models import ItemState, TimeEntry
from app.timekeeping.queries import get_entry, list_entries
from tests.billing.make_billing import make_draft
from tests.jobs.make_jobs import make_job, make_task
from tests.make import Cast, count, make_client, make_engagement
from tests.timekeeping.make_time import exact_wip_of, make_entry, make_rate, wip_of

HOUR = dt.timedelta(hours=1)
MINUTE = dt.timedelta(minutes=1)


def facts_of(entry: TimeEntry, **changes: object) -> EntryFacts:
    names = ("engagement_id", "job_id", "task_id", "worked_on", "recorded", "narrative", "activity", "billable")
    return EntryFacts(**({name: getattr(entry, name) for name in names} | changes))  # type: ignore[arg-type]


def test_an_entry_keeps_what_was_recorded_beside_what_is_charged(cast: Cast) -> None:
    make_rate("100")
    entry = make_entry(cast, recorded=dt.timedelta(minutes=61, seconds=5))
    assert (entry.recorded, entry.charged) == (dt.timedelta(minutes=61, seconds=5), dt.timedelta(minutes=66))
    assert (entry.rate, entry.value) == (Decimal(100), Decimal(110))
    assert wip_of(cast.acme_work) == exact_wip_of(cast.acme_work) == Decimal(110)


def test_a_changed_rounding_touches_new_entries_only(cast: Cast) -> None:
    make_rate("100")
    old = make_entry(cast, recorded=61 * MINUTE)
    cast.firm.rounding = {"increment": 15, "mode": "up", "minimum": 0, "per": "entry"}
    new = make_entry(cast, recorded=61 * MINUTE)
    edit_entry(old, facts_of(old, narrative="Said better"), by=cast.actor(cast.sam))
    assert (old.charged, new.charged) == (66 * MINUTE, 75 * MINUTE)
    edit_entry(old, facts_of(old, recorded=62 * MINUTE), by=cast.actor(cast.sam))
    assert old.charged == 66 * MINUTE, "a corrected duration is rounded by the rule that the entry has"


def test_a_changed_rate_touches_new_entries_only(cast: Cast) -> None:
    make_rate("100")
    old = make_entry(cast, recorded=HOUR)
    add_rate(new_id(), RateFacts(from_on=today(), amount=Decimal(150), currency="GBP"), by=cast.actor(cast.pat))
    new = make_entry(cast, recorded=HOUR)
    edit_entry(old, facts_of(old, narrative="Said better"), by=cast.actor(cast.sam))
    assert (old.rate, new.rate) == (Decimal(100), Decimal(150))


def test_a_day_and_job_is_rounded_as_one(cast: Cast) -> None:
    cast.firm.rounding = {"increment": 15, "mode": "up", "minimum": 0, "per": "day_and_job"}
    charged = [make_entry(cast, recorded=5 * MINUTE).charged for _ in range(4)]
    assert charged == [15 * MINUTE, dt.timedelta(), dt.timedelta(), 15 * MINUTE]


def test_the_same_id_again_makes_no_second_entry(cast: Cast) -> None:
    make_rate("100")
    entry_id, facts = new_id(), EntryFacts(engagement_id=cast.acme_work.id, worked_on=today(), recorded=HOUR)
    first, second = (record_entry(entry_id, facts, by=cast.actor(cast.sam)) for _ in range(2))
    assert first.id == second.id and count(TimeEntry) == 1 and wip_of(cast.acme_work) == Decimal(100)
    with pytest.raises(NotFound):
        record_entry(entry_id, facts, by=cast.actor(cast.mel))


def test_time_on_a_task_is_added_to_it_and_taken_back_with_it(cast: Cast, session: Session) -> None:
    first, second = (make_task(make_job(cast.acme_work), name) for name in ("Reconcile", "Review"))
    entry = make_entry(cast, task_id=first.id, recorded=HOUR)
    part = split_entry(entry, new_id(), 20 * MINUTE, by=cast.actor(cast.sam))
    edit_entry(part, facts_of(part, task_id=second.id, job_id=None), by=cast.actor(cast.sam))
    delete_entry(entry, by=cast.actor(cast.sam))
    spent = [session.scalar(sa.select(Task.spent).where(Task.id == task.id)) for task in (first, second)]
    assert spent == [dt.timedelta(), 20 * MINUTE]
    assert dict(run_proofs("timekeeping.spent")) == {"timekeeping.spent": []}


def test_editing_splitting_moving_and_deleting_keep_wip_right(cast: Cast) -> None:
    make_rate("90")
    other = make_engagement(cast.acme, cast.entity, "Tax")
    entry = make_entry(cast, recorded=HOUR)
    edit_entry(entry, facts_of(entry, recorded=2 * HOUR), by=cast.actor(cast.sam))
    assert wip_of(cast.acme_work) == Decimal(180)
    part = split_entry(entry, new_id(), 40 * MINUTE, by=cast.actor(cast.sam))
    assert (entry.value + part.value, entry.charged + part.charged) == (Decimal(180), 2 * HOUR)
    edit_entry(part, facts_of(part, engagement_id=other.id), by=cast.actor(cast.sam))
    assert (wip_of(cast.acme_work), wip_of(other)) == (entry.open_value, part.open_value)
    delete_entry(part, by=cast.actor(cast.sam))
    assert wip_of(other) == exact_wip_of(other) == 0
    restore_entry(part, by=cast.actor(cast.sam))
    assert wip_of(other) == exact_wip_of(other) == part.value
    edit_entry(entry, facts_of(entry, billable=False), by=cast.actor(cast.sam))
    assert wip_of(cast.acme_work) == exact_wip_of(cast.acme_work) == 0


def test_what_was_written_down_stays_written_down_through_edits(cast: Cast) -> None:
    make_rate("100")
    entry = make_entry(cast, recorded=2 * HOUR)
    write_off_items([entry.id], "Agreed", percent=Decimal(10), by=cast.actor(cast.pat))
    edit_entry(entry, facts_of(entry, recorded=HOUR), by=cast.actor(cast.sam))
    assert entry.open_value == wip_of(cast.acme_work) == Decimal(80)
    delete_entry(entry, by=cast.actor(cast.sam))
    restore_entry(entry, by=cast.actor(cast.sam))
    assert entry.open_value == wip_of(cast.acme_work) == Decimal(80)


@pytest.mark.parametrize("state", [ItemState.DRAFTED, ItemState.BILLED, ItemState.WRITTEN_OFF])
def test_a_drafted_or_billed_entry_refuses_every_change(cast: Cast, state: ItemState, session: Session) -> None:
    make_rate("100")
    entry = make_entry(cast)
    if state is ItemState.WRITTEN_OFF:
        write_off_items([entry.id], "Agreed", by=cast.actor(cast.pat))
    else:
        draft = make_draft(cast)
        if state is ItemState.BILLED:
            approve_invoice(draft, by=cast.actor(cast.pat))
    session.commit()
    assert entry.state is state
    for change in (
        lambda: edit_entry(entry, facts_of(entry, recorded=HOUR), by=cast.actor(cast.pat)),
        lambda: split_entry(entry, new_id(), MINUTE, by=cast.actor(cast.pat)),
        lambda: delete_entry(entry, by=cast.actor(cast.pat)),
    ):
        with pytest.raises(Refused):
            change()


def test_the_time_of_a_colleague_takes_a_permission(cast: Cast) -> None:
    entry = make_entry(cast, cast.mel)
    with pytest.raises(NotAllowed):
        delete_entry(entry, by=cast.actor(cast.sam))
    with pytest.raises(NotAllowed):
        record_entry(new_id(), facts_of(entry), by=cast.actor(cast.sam), person_id=cast.mel.id)
    edit_entry(entry, facts_of(entry, recorded=HOUR), by=cast.actor(cast.bea))
    assert entry.person_id == cast.mel.id


def test_otto_sees_no_time_and_wes_none_behind_his_wall(cast: Cast) -> None:
    entry = make_entry(cast, engagement=cast.rival_work)
    assert not list_entries(seen_by=cast.contact(cast.otto))
    assert not list_entries(seen_by=cast.actor(cast.wes))
    assert list_entries(seen_by=cast.actor(cast.sam))
    with pytest.raises(NotFound):
        get_entry(entry.id, seen_by=cast.actor(cast.wes))
    with pytest.raises(NotFound):
        make_entry(cast, cast.wes, cast.rival_work)


def test_a_stale_form_is_refused(cast: Cast) -> None:
    entry = make_entry(cast)
    edit_entry(entry, facts_of(entry, recorded=HOUR), by=cast.actor(cast.sam), version=1)
    with pytest.raises(Stale):
        edit_entry(entry, facts_of(entry, recorded=2 * HOUR), by=cast.actor(cast.sam), version=1)


def test_internal_time_is_worth_nothing(cast: Cast) -> None:
    make_rate("100")
    ours = make_engagement(make_client("Hartwell", cast.office, is_firm=True), cast.entity, "Internal")
    entry = make_entry(cast, engagement=ours)
    assert (entry.billable, entry.value, wip_of(ours)) == (False, 0, 0)


def test_what_was_written_down_stays_written_down_when_an_entry_is_billable_again(cast: Cast) -> None:
    from app.billing.commands.wip import write_off_items, write_on_items

    make_rate("100")
    entry = make_entry(cast, recorded=2 * HOUR)
    write_off_items([entry.id], "Agreed", percent=Decimal(10), by=cast.actor(cast.pat))
    write_on_items([entry.id], "Half of it after all", percent=Decimal(5), by=cast.actor(cast.pat))
    for billable in (False, True):
        edit_entry(entry, facts_of(entry, billable=billable), by=cast.actor(cast.sam))
    assert entry.open_value == wip_of(cast.acme_work) == exact_wip_of(cast.acme_work) == Decimal(189)
    delete_entry(entry, by=cast.actor(cast.sam))
    restore_entry(entry, by=cast.actor(cast.sam))
    assert entry.open_value == wip_of(cast.acme_work) == Decimal(189)
    assert dict(run_proofs("billing.wip_of_items")) == {"billing.wip_of_items": []}


def test_every_column_of_an_entry_is_written_when_it_is_recorded() -> None:
    """A new entry is written by one statement that names its columns: one that is added later is not forgotten."""
    said = {*entries._SAID, *entries._FRESH, "created_at", "updated_at"}
    empty_at_first = {"deleted_at", "split_from_id", "rejoined_at"}
    assert {column.name for column in TimeEntry.__table__.columns} == said | empty_at_first


def test_an_entry_that_has_changed_since_it_was_shown_is_not_deleted(cast: Cast) -> None:
    entry, sam = make_entry(cast), cast.actor(cast.sam)
    shown = entry.version
    edit_entry(entry, facts_of(entry, narrative="Longer than it was"), by=sam, version=shown)
    with pytest.raises(Stale):
        delete_entry(entry, by=sam, version=shown)
    assert entry.deleted_at is None
    delete_entry(entry, by=sam, version=entry.version)
    assert entry.deleted_at is not None
