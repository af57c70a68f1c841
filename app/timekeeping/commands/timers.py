"""Timers: many per person, one running; stopped, they become an entry."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.clients.models import Engagement
from app.clients.policy import can_see
from app.core import clock
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import db, transaction
from app.core.errors import NotFound, Refused
from app.core.ids import new_id
from app.core.permissions import authorize
from app.jobs.models import Job, Task
from app.timekeeping.commands.entries import EntryFacts, record_entry
from app.timekeeping.models import TimeEntry, Timer
from app.timekeeping.policy import can_record_time

FORGOTTEN_AFTER = dt.timedelta(hours=10)


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a timer is for: a task, a job or an engagement; the most exact one counts."""

    task_id: UUID | None = None
    job_id: UUID | None = None
    engagement_id: UUID | None = None


def elapsed(timer: Timer) -> dt.timedelta:
    """Time gathered so far, by the server's clock."""
    running = now() - timer.running_since if timer.running_since else dt.timedelta()
    return timer.gathered + max(running, dt.timedelta())


def is_forgotten(timer: Timer) -> bool:
    """Whether it ran overnight or longer than anyone works: then the person is asked how long it really was."""
    if timer.running_since is None:
        return False
    ran = now() - timer.running_since
    return ran > FORGOTTEN_AFTER or clock.local(timer.running_since).date() < clock.today()


def start_timer(timer_id: UUID, target: Target, *, by: Actor, note: str = "") -> Timer:
    """Start a timer; the one that runs is paused. The same id again changes nothing. Raises NotFound."""
    authorize(by, can_record_time)
    with transaction() as session:
        _lock_person(by)
        existing = session.get(Timer, timer_id)
        if existing is not None:
            return existing
        client_id, engagement_id, job_id, task_id = _place(target, by=by)
        _pause_running(by)
        moment = now()
        timer = Timer(
            id=timer_id,
            person_id=by.id,
            client_id=client_id,
            engagement_id=engagement_id,
            job_id=job_id,
            task_id=task_id,
            note=note,
            started_at=moment,
            running_since=moment,
            gathered=dt.timedelta(),
        )
        session.add(timer)
        session.flush()
        record("timekeeping.timer.start", timer, by=by, topics=(f"person:{by.id}",))
        return timer


def _lock_person(by: Actor) -> None:
    """One at a time per person; the unique index is what guarantees it."""
    db.session.execute(sa.text("SELECT pg_advisory_xact_lock(7141, hashtext(:id))"), {"id": str(by.id)})


def _place(target: Target, *, by: Actor) -> tuple[UUID, UUID, UUID | None, UUID | None]:
    if target.task_id:
        row = db.session.execute(
            sa.select(Task.client_id, Task.engagement_id, Task.job_id, Task.id).where(Task.id == target.task_id)
        ).one_or_none()
    elif target.job_id:
        row = db.session.execute(
            sa.select(Job.client_id, Job.engagement_id, Job.id, sa.null()).where(Job.id == target.job_id)
        ).one_or_none()
    else:
        row = db.session.execute(
            sa.select(Engagement.client_id, Engagement.id, sa.null(), sa.null()).where(
                Engagement.id == target.engagement_id
            )
        ).one_or_none()
    if row is None or not can_see(by, row[0], row[1]):
        raise NotFound()
    return row[0], row[1], row[2], row[3]


def _pause_running(by: Actor) -> None:
    running = db.session.scalar(
        sa.select(Timer).where(Timer.person_id == by.id, Timer.running_since.is_not(None)).with_for_update()
    )
    if running is not None:
        running.gathered, running.running_since = elapsed(running), None
        db.session.flush()


def pause_timer(timer: Timer, *, by: Actor) -> None:
    """Hold the clock; pressing twice holds it once."""
    authorize(by, can_record_time, timer.person_id)
    with transaction() as session:
        _lock_person(by)
        session.refresh(timer)
        if timer.running_since is None:
            return
        timer.gathered, timer.running_since = elapsed(timer), None
        session.flush()
        record("timekeeping.timer.pause", timer, by=by, topics=(f"person:{timer.person_id}",))


def resume_timer(timer: Timer, *, by: Actor) -> None:
    """Go on; whatever else runs is paused."""
    authorize(by, can_record_time, timer.person_id)
    with transaction() as session:
        _lock_person(by)
        session.refresh(timer)
        if timer.running_since is not None:
            return
        _pause_running(by)
        timer.running_since = now()
        session.flush()
        record("timekeeping.timer.resume", timer, by=by, topics=(f"person:{timer.person_id}",))


def note_timer(timer: Timer, note: str, *, by: Actor) -> None:
    """Write notes while it runs. Saved as typed, so no event."""
    authorize(by, can_record_time, timer.person_id)
    with transaction():
        timer.note = note[:5000]


def stop_timer(timer: Timer, *, by: Actor, recorded: dt.timedelta | None = None) -> TimeEntry:
    """Turn the timer into an entry of at least a minute, dated by the day it started.

    One that was forgotten overnight is refused until `recorded` says how long it really was.
    """
    authorize(by, can_record_time, timer.person_id)
    with transaction() as session:
        _lock_person(by)
        done = session.scalar(sa.select(TimeEntry).where(TimeEntry.timer_id == timer.id))
        if done is not None:
            return done
        session.refresh(timer)
        if recorded is None and is_forgotten(timer):
            raise Refused("This timer ran on overnight. How long did you really work?", field="recorded")
        taken = recorded or max(dt.timedelta(seconds=int(elapsed(timer).total_seconds())), dt.timedelta(minutes=1))
        facts = EntryFacts(
            engagement_id=timer.engagement_id,
            job_id=timer.job_id,
            task_id=timer.task_id,
            narrative=timer.note,
            worked_on=clock.local(timer.started_at).date(),
            recorded=taken,
        )
        entry = record_entry(new_id(), facts, by=by, person_id=timer.person_id, timer_id=timer.id)
        session.delete(timer)
        return entry


def discard_timer(timer: Timer, *, by: Actor) -> None:
    """Throw the gathered time away."""
    authorize(by, can_record_time, timer.person_id)
    with transaction() as session:
        record("timekeeping.timer.discard", timer, by=by, seconds=elapsed(timer), topics=(f"person:{timer.person_id}",))
        session.delete(timer)
