"""Timers: many per person, one running; stopped, they become an entry."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import make_transient_to_detached
from sqlalchemy.orm.attributes import set_committed_value

from app.activity.commands import record
from app.clients.policy import can_see
from app.core import clock
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import db, transaction
from app.core.durations import format_duration
from app.core.errors import NotFound, Refused
from app.core.ids import new_id
from app.core.locking import takes
from app.core.once import digest_of, refuse_other_facts
from app.core.permissions import authorize
from app.timekeeping.commands.entries import hold_for, record_entry
from app.timekeeping.commands.valuing import LONGEST_NARRATIVE, EntryFacts
from app.timekeeping.models import TimeEntry, Timer
from app.timekeeping.policy import can_change_timer, can_record_time
from app.timekeeping.queries import TimerGlance
from app.timekeeping.targets import Target

FORGOTTEN_AFTER = dt.timedelta(hours=10)
NIGHT_ENDS = dt.time(5)
MINUTE = dt.timedelta(minutes=1)
TIMER_LOCK = 7141


class Place(NamedTuple):
    """Where a timer runs, and what it is called there."""

    client_id: UUID
    engagement_id: UUID
    job_id: UUID | None
    task_id: UUID | None
    name: str


def elapsed(timer: Timer | TimerGlance) -> dt.timedelta:
    """Time gathered so far, by the server's clock."""
    running = now() - timer.running_since if timer.running_since else dt.timedelta()
    return timer.gathered + max(running, dt.timedelta())


def is_forgotten(timer: Timer | TimerGlance) -> bool:
    """Whether it ran through a night or longer than anyone works: then the person is asked how long it really was.

    Work that ends in the small hours is no night slept through: it is divided at midnight when it is recorded.
    """
    if timer.overran or timer.running_since is None:
        return timer.overran
    began, ends = clock.local(timer.running_since), clock.local(now())
    overnight = began.date() < ends.date() and (began.time() < NIGHT_ENDS or ends.time() >= NIGHT_ENDS)
    return overnight or now() - timer.running_since > FORGOTTEN_AFTER


def worked_days(timer: Timer) -> dict[dt.date, dt.timedelta]:
    """What was gathered by the day on which it was, first day first; a stretch over midnight belongs to both."""
    days = {dt.date.fromisoformat(day): dt.timedelta(seconds=seconds) for day, seconds in timer.by_day.items()}
    untold = timer.gathered - sum(days.values(), dt.timedelta())
    if untold > dt.timedelta() or not timer.running_since:  # gathered before days were kept
        first = clock.local(timer.started_at).date()
        days[first] = days.get(first, dt.timedelta()) + untold
    if timer.running_since is not None:
        for day, taken in _by_day(timer.running_since, now()):
            days[day] = days.get(day, dt.timedelta()) + taken
    return dict(sorted(days.items()))


def _by_day(start: dt.datetime, end: dt.datetime) -> Iterator[tuple[dt.date, dt.timedelta]]:
    """A stretch in pieces from midnight to midnight of the wall clock, whatever the clocks do that night."""
    while start < end:
        here = clock.local(start)
        midnight = dt.datetime.combine(here.date() + dt.timedelta(days=1), dt.time(), here.tzinfo).astimezone(dt.UTC)
        yield here.date(), min(midnight, end) - start
        start = midnight


def start_timer(timer_id: UUID, target: Target, *, by: Actor, note: str = "") -> Timer:
    """Start a timer; the one that runs is paused. On what today's timer of one's own is for, that one goes on.

    The same id with the same facts changes nothing. Raises NotFound.
    """
    authorize(by, can_record_time)
    with transaction() as session:
        place, said = _place(target, by=by), digest_of(target, note)
        own = _timers_that_matter(timer_id, place, by=by)
        same_id = next((timer for timer in own if timer.id == timer_id), None)
        timer = same_id or next((t for t in own if t.discarded_at is None and _goes_on(t, place)), None)
        if same_id is not None:
            refuse_other_facts(same_id, said)
        if timer is not None and (timer is same_id or timer.running_since is not None):
            return timer
        if timer is None:
            timer = _new_timer(timer_id, place, note, by=by)
            timer.made_from = said
            _start_new(timer, instead_of=next((each for each in own if each.running_since is not None), None))
        else:
            _pause(own)
            timer.running_since = now()
            session.flush()
        record("timekeeping.timer.start", timer, by=by, name=place.name, topics=_topics(timer))
        return timer


def _new_timer(timer_id: UUID, place: Place, note: str, *, by: Actor) -> Timer:
    return Timer(
        id=timer_id,
        person_id=by.id,
        client_id=place.client_id,
        engagement_id=place.engagement_id,
        job_id=place.job_id,
        task_id=place.task_id,
        note=_note(note),
        started_at=now(),
        running_since=now(),
        gathered=dt.timedelta(),
        by_day={},
        overran=False,
        discarded_at=None,
    )


# The running one is held first and the new one written then: the database allows one at a time.
_START = sa.text("""
    WITH held AS (
        UPDATE timer SET gathered = :gathered, by_day = :by_day, overran = :overran, running_since = NULL
        WHERE id = CAST(:running AS uuid) RETURNING id
    )
    INSERT INTO timer (id, person_id, client_id, engagement_id, job_id, task_id, note, started_at, running_since,
                       gathered, by_day, overran, made_from)
    SELECT :id, :person_id, :client_id, :engagement_id, CAST(:job_id AS uuid), CAST(:task_id AS uuid), :note,
           :now, :now, 0, '{}', false, :made_from
    FROM (SELECT count(*) AS number FROM held) AS first WHERE first.number >= 0
""").bindparams(sa.bindparam("by_day", type_=JSONB()))
_PLACE = ("id", "person_id", "client_id", "engagement_id", "job_id", "task_id", "note", "made_from")


def _start_new(timer: Timer, *, instead_of: Timer | None) -> None:
    """Write a new timer and hold the one that runs, in one statement."""
    held: dict[str, Any] = {"running": None, "gathered": 0, "by_day": {}, "overran": False}
    if instead_of is not None:
        _hold(instead_of, set_committed_value)
        held = {
            "running": instead_of.id, "gathered": _seconds(instead_of.gathered), "by_day": instead_of.by_day,
            "overran": instead_of.overran,
        }
    values = {name: getattr(timer, name) for name in _PLACE}
    db.session.connection().execute(_START, {**values, **held, "now": timer.started_at})
    make_transient_to_detached(timer)
    db.session.add(timer)


def _goes_on(timer: Timer, place: Place) -> bool:
    here = (timer.engagement_id, timer.job_id, timer.task_id) == (place.engagement_id, place.job_id, place.task_id)
    return here and not timer.overran and clock.local(timer.started_at).date() == clock.today()


def _topics(timer: Timer) -> tuple[str, ...]:
    return (f"person:{timer.person_id}",)


# One at a time per person; the unique index is what guarantees it.
_LOCK = f"pg_advisory_xact_lock({TIMER_LOCK}, hashtext(:person))"
LOCKED = sa.text(f"SELECT {_LOCK}")
_OF_TASK, _OF_JOB, _OF_ENGAGEMENT = (
    sa.text(f"SELECT {columns}, {_LOCK} FROM {table} WHERE id = :named")
    for table, columns in (
        ("task", "client_id, engagement_id, job_id, id, name"),
        ("job", "client_id, engagement_id, id, null, title"),
        ("engagement", "client_id, id, null, null, name"),
    )
)


def _place(target: Target, *, by: Actor) -> Place:
    """Where a target is and what it is called, the person's timers locked in the same round trip."""
    statement = _OF_TASK if target.task_id else _OF_JOB if target.job_id else _OF_ENGAGEMENT
    named = target.task_id or target.job_id or target.engagement_id
    takes("turn of a person", [by.id])
    row = db.session.connection().execute(statement, {"named": named, "person": str(by.id)}).one_or_none()
    if row is None or not can_see(by, row[0], row[1]):
        raise NotFound()
    return Place(*row[:5])


_OWN = sa.select(Timer).where(Timer.person_id == sa.bindparam("person")).execution_options(populate_existing=True)
_RUNNING = _OWN.where(Timer.running_since.is_not(None))
_THAT_MATTER = _OWN.where(
    sa.or_(
        Timer.running_since.is_not(None),
        Timer.id == sa.bindparam("timer"),
        sa.and_(
            Timer.engagement_id == sa.bindparam("engagement"),
            Timer.job_id.is_not_distinct_from(sa.bindparam("job", type_=sa.Uuid)),
            Timer.task_id.is_not_distinct_from(sa.bindparam("task", type_=sa.Uuid)),
        ),
    )
)


def _timers_that_matter(timer_id: UUID, place: Place, *, by: Actor) -> Sequence[Timer]:
    """The one that runs, the one of this id, and those that are for the same work."""
    named = {"engagement": place.engagement_id, "job": place.job_id, "task": place.task_id}
    return db.session.scalars(_THAT_MATTER, {"person": by.id, "timer": timer_id, **named}).all()


def _pause(timers: Sequence[Timer]) -> None:
    """Hold whichever runs. One that was forgotten stays marked: only the person knows what it was."""
    for timer in timers:
        if timer.running_since is not None:
            _hold(timer)
            db.session.flush()


def _hold(timer: Timer, write: Callable[[Timer, str, Any], None] = setattr) -> None:
    overran, gathered = is_forgotten(timer), elapsed(timer)
    by_day = {day.isoformat(): _seconds(taken) for day, taken in worked_days(timer).items()}
    held = {"overran": overran, "gathered": gathered, "by_day": by_day, "running_since": None}
    for name, value in held.items():
        write(timer, name, value)


def _seconds(taken: dt.timedelta) -> int:
    return int(taken.total_seconds())


def _locked(timer: Timer) -> Timer | None:
    """The timer as it is now, alone with it; None when it has become an entry meanwhile."""
    takes("turn of a person", [timer.person_id])
    db.session.connection().execute(LOCKED, {"person": str(timer.person_id)})
    return db.session.scalar(sa.select(Timer).where(Timer.id == timer.id).execution_options(populate_existing=True))


def pause_timer(timer: Timer, *, by: Actor) -> None:
    """Hold the clock; pressing twice holds it once."""
    authorize(by, can_change_timer, timer)
    with transaction():
        if _locked(timer) is None or timer.running_since is None:
            return
        _pause([timer])
        record("timekeeping.timer.pause", timer, by=by, seconds=timer.gathered, topics=_topics(timer))


def resume_timer(timer: Timer, *, by: Actor) -> None:
    """Go on; whatever else runs is paused. One that ran on overnight asks first how long it was."""
    authorize(by, can_change_timer, timer)
    with transaction() as session:
        if _locked(timer) is None or timer.discarded_at or timer.running_since is not None:
            return
        if timer.overran:
            raise Refused("This timer ran on overnight. Say first how long you really worked.", field="recorded")
        _pause(db.session.scalars(_RUNNING, {"person": by.id}).all())
        timer.running_since = now()
        session.flush()
        record("timekeeping.timer.resume", timer, by=by, topics=_topics(timer))


def note_timer(timer: Timer, note: str, *, by: Actor) -> None:
    """Write notes while it runs. Saved as typed, so no event."""
    authorize(by, can_change_timer, timer)
    with transaction():
        timer.note = _note(note)


def _note(note: str) -> str:
    note = note.strip()
    if len(note) > LONGEST_NARRATIVE:
        raise Refused(f"A note has at most {LONGEST_NARRATIVE:,} characters; shorten it.", field="note")
    return note


def stop_timer(timer: Timer, *, by: Actor, recorded: dt.timedelta | None = None) -> list[TimeEntry]:
    """Turn the timer into an entry of at least a minute; into one a day, where it ran on several. Pressed twice, the
    first of them.

    One that was forgotten overnight is refused until `recorded` says how long it really was: from its start on, and no
    longer than it ran.
    """
    authorize(by, can_change_timer, timer)
    with transaction() as session:
        if _locked(timer) is None:
            return [_entry_of(timer)]
        if recorded is None and is_forgotten(timer):
            raise Refused("This timer ran on overnight. How long did you really work?", field="recorded")
        parts = _facts(timer, recorded)
        if len(parts) > 1:
            hold_for(parts, timer.person_id, by=by)
        entries: list[TimeEntry] = []
        for facts in parts:
            its = None if entries else timer.id
            entries.append(record_entry(new_id(), facts, by=by, person_id=timer.person_id, timer_id=its))
        session.delete(timer)
        return entries


def hold_for_timers(took: Mapping[Timer, dt.timedelta], *, by: Actor) -> None:
    """For whoever stops several timers of one person, `took` as long: hold what their entries need before the first."""
    for person_id in {timer.person_id for timer in took}:
        hold_for([facts for timer, recorded in took.items() for facts in _facts(timer, recorded)], person_id, by=by)


def _facts(timer: Timer, recorded: dt.timedelta | None) -> list[EntryFacts]:
    return [
        EntryFacts(
            engagement_id=timer.engagement_id,
            job_id=timer.job_id,
            task_id=timer.task_id,
            narrative=timer.note,
            worked_on=day,
            recorded=taken,
        )
        for day, taken in _parts(timer, recorded)
    ]


def _parts(timer: Timer, recorded: dt.timedelta | None) -> list[tuple[dt.date, dt.timedelta]]:
    """How long on which day, in whole seconds, at least a minute each: what is less goes with the longest."""
    days = {day: dt.timedelta(seconds=_seconds(taken)) for day, taken in worked_days(timer).items()}
    ran = sum(days.values(), dt.timedelta())
    if recorded is not None and recorded > max(ran, MINUTE) + MINUTE:  # the clock in the bar shows whole minutes
        raise Refused(f"It ran for {format_duration(ran)}; no more than that can be recorded.", field="recorded")
    left = max(ran if recorded is None else recorded, MINUTE)
    parts: dict[dt.date, dt.timedelta] = {}
    for day, taken in days.items():
        parts[day] = min(taken, left)
        left -= parts[day]
    longest = max(parts, key=lambda day: parts[day])
    parts[longest] += left
    for day in [day for day, taken in parts.items() if taken < MINUTE and day != longest]:
        parts[longest] += parts.pop(day)
    return list(parts.items())


def _entry_of(timer: Timer) -> TimeEntry:
    entry = db.session.scalar(sa.select(TimeEntry).where(TimeEntry.timer_id == timer.id))
    if entry is None:
        raise NotFound()
    return entry


def discard_timer(timer: Timer, *, by: Actor) -> None:
    """Throw the gathered time away; the row waits a while, so that it can be taken back."""
    authorize(by, can_change_timer, timer)
    with transaction() as session:
        if _locked(timer) is None or timer.discarded_at:
            return
        _pause([timer])
        timer.discarded_at = now()
        session.flush()
        record("timekeeping.timer.discard", timer, by=by, seconds=timer.gathered, topics=_topics(timer))


def restore_timer(timer: Timer, *, by: Actor) -> None:
    """Take a discarded timer back, paused, with what it had gathered."""
    authorize(by, can_change_timer, timer)
    with transaction() as session:
        if _locked(timer) is None or timer.discarded_at is None:
            return
        timer.discarded_at = None
        session.flush()
        record("timekeeping.timer.restore", timer, by=by, seconds=timer.gathered, topics=_topics(timer))


__all__ = [
    "Target",
    "discard_timer",
    "elapsed",
    "hold_for_timers",
    "is_forgotten",
    "note_timer",
    "pause_timer",
    "restore_timer",
    "resume_timer",
    "start_timer",
    "stop_timer",
    "worked_days",
]
