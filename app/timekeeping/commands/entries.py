"""Recording time and changing it until it is billed; the ledger follows every step."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from contextlib import suppress
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import make_transient_to_detached
from sqlalchemy.orm.attributes import set_committed_value

from app.activity.commands import record
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import check_version, db, transaction
from app.core.errors import NotFound, Refused, Stale
from app.core.ids import new_id
from app.core.locking import takes
from app.core.once import digest_of, refuse_other_facts
from app.core.permissions import authorize
from app.core.rounding import RoundingRule
from app.jobs.models import Task
from app.ledger.books import books_of
from app.ledger.commands import hold_balances
from app.ledger.models import Account, TransactionKind
from app.people.models import Person
from app.timekeeping.commands.days import (
    Day,
    charge_in,
    day_of,
    entries_of,
    hold_days,
    hold_tasks,
    recharge,
    settle_days,
)
from app.timekeeping.commands.figures import refuse_other_currency, settle, topics_left, topics_of
from app.timekeeping.commands.less import refuse_less
from app.timekeeping.commands.locks import refuse_locked
from app.timekeeping.commands.valuing import (
    EntryFacts,
    Setting,
    check_facts,
    describe,
    setting_for,
    take_rate,
    take_value,
)
from app.timekeeping.commands.wip import move_wip, place_of
from app.timekeeping.late import refuse_late
from app.timekeeping.models import ItemState, TimeEntry
from app.timekeeping.policy import can_edit_item, can_record_time


def record_entry(
    entry_id: UUID,
    facts: EntryFacts,
    *,
    by: Actor,
    person_id: UUID | None = None,
    timer_id: UUID | None = None,
) -> TimeEntry:
    """Record time for oneself, or for `person_id`. The same id with the same facts: the entry that is there."""
    authorize(by, can_record_time, person_id)
    check_facts(facts)
    with transaction() as session:
        person = session.get(Person, person_id or by.id)
        if person is None:
            raise NotFound()
        said = digest_of(facts, person.id)
        entry, setting = _described(entry_id, facts, person, by=by)
        entry.timer_id, entry.made_from = timer_id, said
        day = day_of(entry)
        hold_days([day], tasks=[entry.task_id])
        others = _charge(entry, day)
        take_rate(entry, setting)
        take_value(entry)
        if not _insert_once(entry):
            return _already_there(entry, said)
        refuse_late(setting.books.entity_id, entry.worked_on, field="worked_on")
        move_wip(TransactionKind.RECORDED, entry, None, place_of(entry), by=by, books=setting.books)
        record(
            "timekeeping.entry.record",
            entry,
            by=by,
            person=str(person.id),
            seconds=entry.recorded,
            on=entry.worked_on,
            value=entry.value,
            currency=entry.currency,
            name=setting.engagement.name,
            topics=topics_of(entry),
        )
        recharge(others, by=by)
        return entry


def _described(entry_id: UUID, facts: EntryFacts, person: Person, *, by: Actor) -> tuple[TimeEntry, Setting]:
    """An entry that says what it is of and is worth nothing yet."""
    facts, setting = setting_for(facts, person, by=by)
    entry = TimeEntry(id=entry_id, person_id=person.id)
    describe(entry, facts, setting)
    entry.rounding = setting.rounding.to_json()
    return entry, setting


def hold_for(several: Iterable[EntryFacts], person_id: UUID, *, by: Actor) -> None:
    """For whoever records several entries of a person in one piece: hold the tasks, days and balances of all of them
    before the first, for each by itself would take them in any order. What cannot be recorded holds nothing."""
    person, entries, places = db.session.get_one(Person, person_id), list[TimeEntry](), list[tuple[UUID, UUID, str]]()
    for facts in several:
        with suppress(Refused):
            check_facts(facts)
            entry, setting = _described(new_id(), facts, person, by=by)
            entries.append(entry)
            places.append((setting.books.entity_id, entry.client_id, entry.currency))
    hold_tasks(entry.task_id for entry in entries)
    hold_days(day_of(entry) for entry in entries)
    hold_balances(Account.WIP, places)


def _charge(
    entry: TimeEntry, day: Day | None, starts_at: dt.timedelta = dt.timedelta(0)
) -> list[tuple[TimeEntry, dt.timedelta]]:
    """Round what is charged of the entry; answers the others of its day with what is charged of them now."""
    if day is None:
        rule = RoundingRule.from_json(entry.rounding)
        entry.charged = dt.timedelta(seconds=rule.charge(int(entry.recorded.total_seconds())))
        return []
    beside = entries_of(day, but=entry)
    entry.charged, *others = charge_in(entry, day, beside, starts_at=starts_at)
    return list(zip(beside, others, strict=True))


ZERO = Decimal(0)
_SAID = (
    "id", "person_id", "timer_id", "client_id", "engagement_id", "job_id", "task_id", "worked_on", "narrative",
    "activity", "billable", "work_role", "recorded", "charged", "rounding", "rate", "rate_source", "rate_id",
    "currency", "value", "open_value", "waiting", "made_from",
)  # fmt: skip
_FRESH = {"state": ItemState.OPEN, "hold_reason": "", "version": 1, "written": ZERO, "billed": ZERO}
_ENTRY, _TASK = (cast(sa.Table, each.__table__) for each in (TimeEntry, Task))
_AT = sa.bindparam("now", type_=sa.DateTime(timezone=True))
_kept = (
    insert(_ENTRY)
    .values({name: sa.bindparam(f"its_{name}", type_=_ENTRY.c[name].type) for name in (*_SAID, *_FRESH)})
    .values(created_at=_AT, updated_at=_AT)
    .on_conflict_do_nothing()
    .returning(_ENTRY.c.task_id, sa.type_coerce(_ENTRY.c.recorded, sa.Integer).label("seconds"))
    .cte("kept")
)
_spent = (
    sa.update(_TASK)
    .where(_TASK.c.id == _kept.c.task_id)
    .values(spent=sa.text("greatest(spent + kept.seconds, 0)"), updated_at=_AT)
    .cte("counted")
)
_INSERT = sa.select(_kept.c.seconds).add_cte(_spent)
_ADD_TO_TASK = sa.text("UPDATE task SET spent = greatest(spent + :seconds, 0), updated_at = :at WHERE id = :task")


def _insert_once(entry: TimeEntry) -> bool:
    """Write the row and count it to its task in one statement; False when its id (or its timer's) is there already."""
    said = {f"its_{name}": getattr(entry, name) for name in _SAID}
    fresh = {f"its_{name}": value for name, value in _FRESH.items()}
    takes("task", [entry.task_id] if entry.task_id else ())
    if not db.session.execute(_INSERT, {**said, **fresh, "now": now()}).all():
        return False
    for name, its in _FRESH.items():
        set_committed_value(entry, name, its)
    make_transient_to_detached(entry)
    db.session.add(entry)
    return True


def _already_there(new: TimeEntry, said: UUID) -> TimeEntry:
    """What this id, or this timer, made before: a timer makes one entry, whatever its last press says."""
    same = sa.or_(TimeEntry.id == new.id, sa.and_(TimeEntry.timer_id == new.timer_id, TimeEntry.timer_id.is_not(None)))
    entry = db.session.scalar(sa.select(TimeEntry).where(same, TimeEntry.person_id == new.person_id).limit(1))
    if entry is None:
        raise NotFound()
    if entry.timer_id is None:
        refuse_other_facts(entry, said)
    return entry


def add_to_task(task_id: UUID | None, change: dt.timedelta) -> None:
    """Keep the task's spent time equal to the sum of its entries; whoever moves an entry off a task calls this too,
    and before moving its WIP: everybody takes the task first and the balance then."""
    if task_id and change:
        takes("task", [task_id])
        values = {"task": task_id, "seconds": int(change.total_seconds()), "at": now()}
        db.session.execute(_ADD_TO_TASK, values)


def edit_entry(entry: TimeEntry, facts: EntryFacts, *, by: Actor, version: int | None = None) -> TimeEntry:
    """Change or move an unbilled entry; rounding and rate are looked at again only when what decides them changed."""
    authorize(by, can_edit_item, entry)
    check_facts(facts)
    with transaction() as session:
        facts, setting = setting_for(facts, session.get_one(Person, entry.person_id), by=by)
        old_day, day = day_of(entry), _day_to_be(entry, facts, setting)
        hold_days([old_day, day], [entry], tasks=[facts.task_id])
        if _day_to_be(entry, facts, setting) != day:
            raise Stale("Somebody else changed this at that moment; look at it and try again.")
        refuse_locked(entry)
        check_version(entry, version)
        refuse_other_currency(entry, setting.engagement)
        before, old_task, old = place_of(entry), entry.task_id, _told(entry)
        old_job = entry.job_id
        others = _revalue(entry, facts, setting, old_day, day)
        after = place_of(entry)
        refuse_less(entry, before, by=by)
        moved = after.engagement_id != before.engagement_id
        add_to_task(old_task, -old["seconds"])
        add_to_task(entry.task_id, entry.recorded)
        if (before.engagement_id, *(old[name] for name in WORKED)) != (
            entry.engagement_id, *(_told(entry)[name] for name in WORKED)
        ):  # another word is no more work
            refuse_late(setting.books.entity_id, entry.worked_on, field="worked_on")
        move_wip(
            TransactionKind.TRANSFERRED if moved else TransactionKind.REPRICED,
            entry,
            before,
            after,
            by=by,
            books=setting.books,
            books_before=books_of(before.engagement_id) if moved else None,
        )
        record(
            "timekeeping.entry.edit",
            entry,
            by=by,
            before=old,
            after=_told(entry),
            name=setting.engagement.name,
            topics=(*topics_of(entry), *topics_left(before.client_id, old_job, entry)),
        )
        session.flush()
        recharge(others, by=by)
        if old_day != day:
            settle_days([old_day], by=by)
        return entry


def _rule_for(entry: TimeEntry, setting: Setting) -> dict[str, Any]:
    """The rounding it was saved with; in another engagement, that one's."""
    return entry.rounding if entry.engagement_id == setting.engagement.id else setting.rounding.to_json()


def _day_to_be(entry: TimeEntry, facts: EntryFacts, setting: Setting) -> Day | None:
    return day_of(
        entry,
        worked_on=facts.worked_on,
        engagement_id=setting.engagement.id,
        job_id=facts.job_id,
        billable=setting.charges and facts.billable is not False,
        rounding=_rule_for(entry, setting),
    )


WORKED = ("on", "seconds", "value")


def _told(entry: TimeEntry) -> dict[str, Any]:
    return {"on": entry.worked_on, "seconds": entry.recorded, "narrative": entry.narrative, "value": entry.value}


def _revalue(
    entry: TimeEntry, facts: EntryFacts, setting: Setting, old_day: Day | None, day: Day | None
) -> list[tuple[TimeEntry, dt.timedelta]]:
    """Describe the entry anew. A setting that changed since it was saved does not reach it by a corrected word.

    Answers what the others of its day are charged now."""
    old_time = entry.engagement_id, entry.recorded
    old_price = entry.engagement_id, entry.worked_on, entry.activity, entry.work_role
    was_billable, was_waiting, rule = entry.billable, entry.waiting, _rule_for(entry, setting)
    others: list[tuple[TimeEntry, dt.timedelta]] = []
    describe(entry, facts, setting)
    entry.rounding = rule
    retimed = old_time != (entry.engagement_id, entry.recorded) or old_day != day
    repriced = old_price != (entry.engagement_id, entry.worked_on, entry.activity, entry.work_role)
    if retimed:
        others = _charge(entry, day, entry.charged if old_day == day else dt.timedelta(0))
    if repriced or entry.rate is None:
        take_rate(entry, setting)
    if retimed or repriced or entry.rate is None or was_waiting or was_billable != entry.billable:
        take_value(entry)
    return others


def delete_entry(entry: TimeEntry, *, by: Actor, version: int | None = None) -> None:
    """Take an unbilled entry back. The row stays for the record; nothing shows or counts it."""
    authorize(by, can_edit_item, entry)
    with transaction() as session:
        day = day_of(entry)
        hold_days([day], [entry], tasks=())
        if entry.deleted_at:
            return
        refuse_locked(entry)
        check_version(entry, version)
        before = place_of(entry)
        entry.deleted_at = now()
        settle(entry)
        refuse_less(entry, before, by=by)
        books = books_of(entry.engagement_id)
        add_to_task(entry.task_id, -entry.recorded)
        move_wip(TransactionKind.REPRICED, entry, before, None, by=by, books=books, reason="deleted")
        record(
            "timekeeping.entry.delete",
            entry,
            by=by,
            seconds=entry.recorded,
            on=entry.worked_on,
            value=before.amount,
            topics=topics_of(entry),
        )
        session.flush()
        settle_days([day], by=by)


def restore_entry(entry: TimeEntry, *, by: Actor) -> None:
    """Undo a deletion: the entry stands again with the value it had."""
    authorize(by, can_edit_item, entry)
    with transaction() as session:
        day = day_of(entry)
        hold_days([day], [entry], tasks=())
        if entry.deleted_at is None:
            return
        if entry.rejoined_at is not None:
            raise Refused("It was put back into the entry that it had been taken from; split that one again.")
        entry.deleted_at = None
        settle(entry)
        books = books_of(entry.engagement_id)
        add_to_task(entry.task_id, entry.recorded)
        move_wip(TransactionKind.REPRICED, entry, None, place_of(entry), by=by, books=books, reason="restored")
        record(
            "timekeeping.entry.restore",
            entry,
            by=by,
            seconds=entry.recorded,
            on=entry.worked_on,
            topics=topics_of(entry),
        )
        session.flush()
        settle_days([day], by=by, last=[entry.id])


__all__ = [
    "EntryFacts",
    "add_to_task",
    "delete_entry",
    "edit_entry",
    "record_entry",
    "refuse_locked",
    "restore_entry",
    "topics_of",
]
