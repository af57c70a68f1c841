"""Time that is rounded by day and job: one person's entries of a day on a job are charged as one, whatever happens to
any of them."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.core.actors import Actor
from app.core.db import db
from app.core.errors import Stale
from app.core.locking import take_turn, to_lock
from app.core.rounding import Piece, RoundingRule, RoundPer, charge_as_one
from app.jobs.models import Task
from app.ledger.books import books_of
from app.ledger.models import TransactionKind
from app.timekeeping.commands.figures import be_worth, topics_of
from app.timekeeping.commands.locks import LOCKED
from app.timekeeping.commands.valuing import worth_of
from app.timekeeping.commands.wip import move_wip, place_of
from app.timekeeping.models import TimeEntry


@dataclass(frozen=True)
class Day:
    """Whose day on which job (or engagement), under which rule: what is charged in it is rounded as a whole. Time that
    is not billable is a day of its own, and so is what was recorded under another rule."""

    person_id: UUID
    worked_on: dt.date
    engagement_id: UUID
    job_id: UUID | None
    billable: bool
    rule: str

    @property
    def key(self) -> str:
        return (
            f"rounded {self.person_id} {self.worked_on} {self.engagement_id} {self.job_id} {self.billable} {self.rule}"
        )

    @property
    def rounding(self) -> RoundingRule:
        return RoundingRule.from_json(json.loads(self.rule))

    def holds(self) -> sa.ColumnElement[bool]:
        return sa.and_(
            TimeEntry.person_id == self.person_id,
            TimeEntry.worked_on == self.worked_on,
            TimeEntry.engagement_id == self.engagement_id,
            TimeEntry.job_id.is_not_distinct_from(self.job_id),
            TimeEntry.billable.is_(self.billable),
            TimeEntry.deleted_at.is_(None),
        )


def day_of(entry: TimeEntry, **changed: Any) -> Day | None:
    """The day that an entry is rounded with, or will be once it is `changed`; None when it is rounded by itself."""
    rule = changed.pop("rounding", entry.rounding)
    if rule.get("per") != RoundPer.DAY_AND_JOB:
        return None
    names = ("person_id", "worked_on", "engagement_id", "job_id", "billable")
    where = {name: changed[name] if name in changed else getattr(entry, name) for name in names}
    return Day(**where, rule=json.dumps(rule, sort_keys=True))


def hold_days(
    days: Iterable[Day | None], entries: Collection[TimeEntry] = (), *, tasks: Iterable[UUID | None] | None = None,
    also: Collection[UUID] = (),
) -> None:
    """Take turns for these days and lock all their entries, with them `entries` and those of the ids `also`, in the
    order of their ids.

    With `tasks`, before them these tasks and those of the entries, which time is counted to or taken from. What was
    loaded is read anew. Raises Stale when one of `entries` has gone to another day or task meanwhile.
    """
    known = {day.key: day for day in days if day is not None}
    if tasks is not None and (known or entries):  # an entry that is only added locks its task as it counts to it
        hold_tasks([*tasks, *(entry.task_id for entry in entries)])
    take_turn(*known, at="turn of a day")
    before = {entry.id: (day_of(entry), entry.task_id) for entry in entries}
    conditions = [day.holds() for day in known.values()]
    if before or also:
        conditions.append(TimeEntry.id.in_([*before, *also]))
    if conditions:
        db.session.scalars(
            to_lock(sa.select(TimeEntry).where(sa.or_(*conditions)))
        ).all()
    if any((day_of(entry), entry.task_id) != before[entry.id] for entry in entries):
        raise Stale("Somebody else changed this at that moment; look at it and try again.")


def hold_tasks(ids: Iterable[UUID | None]) -> None:
    """Lock the tasks that time is counted to, or taken from, before any of the entries."""
    wanted = sorted({each for each in ids if each is not None})
    if wanted:
        db.session.execute(to_lock(sa.select(Task.id).where(Task.id.in_(wanted)), lightly=True))


def charge_in(
    entry: TimeEntry, day: Day, beside: Sequence[TimeEntry], *, starts_at: dt.timedelta
) -> list[dt.timedelta]:
    """What is charged of the entry and of those beside it when the day is rounded anew, the entry's first."""
    pieces = [Piece(_seconds(entry.recorded), _seconds(starts_at))]
    pieces += [Piece(_seconds(each.recorded), _seconds(each.charged), stays(each)) for each in beside]
    return [dt.timedelta(seconds=seconds) for seconds in charge_as_one(day.rounding, pieces)]


def entries_of(day: Day, *, but: TimeEntry | None = None) -> list[TimeEntry]:
    """The entries of a day that is held, the oldest first."""
    with db.session.no_autoflush:
        found = db.session.scalars(sa.select(TimeEntry).where(day.holds()).order_by(TimeEntry.id)).all()
    return [each for each in found if day_of(each) == day and (but is None or each.id != but.id)]


def settle_days(days: Iterable[Day | None], *, by: Actor, last: Collection[UUID] = ()) -> None:
    """Round days anew after entries have left them or come: the difference lies on what is open, on `last` last.

    The days are held by the caller, and what it changed is written.
    """
    for day in {each.key: each for each in days if each is not None}.values():
        entries = sorted(entries_of(day), key=lambda each: (each.id in last, each.id))
        pieces = [Piece(_seconds(each.recorded), _seconds(each.charged), stays(each)) for each in entries]
        charges = [dt.timedelta(seconds=seconds) for seconds in charge_as_one(day.rounding, pieces)]
        recharge(zip(entries, charges, strict=True), by=by)


def recharge(charges: Iterable[tuple[TimeEntry, dt.timedelta]], *, by: Actor) -> None:
    """Charge entries anew, where that differs, at the rate each has; the ledger follows."""
    for entry, charged in charges:
        if entry.charged == charged:
            continue
        before, old = place_of(entry), {"seconds": entry.charged, "value": entry.value}
        entry.charged = charged
        be_worth(entry, worth_of(entry))
        entry.version += 1
        move_wip(TransactionKind.REPRICED, entry, before, place_of(entry), by=by, books=books_of(entry.engagement_id))
        record(
            "timekeeping.entry.recharge",
            entry,
            by=by,
            before=old,
            after={"seconds": entry.charged, "value": entry.value},
            on=entry.worked_on,
            currency=entry.currency,
            topics=topics_of(entry),
        )


def stays(entry: TimeEntry) -> bool:
    """What is on a draft or a bill keeps what it was charged, and so does what was written off or on."""
    return entry.state in LOCKED or bool(entry.written or entry.billed)


def _seconds(duration: dt.timedelta) -> int:
    return int(duration.total_seconds())
