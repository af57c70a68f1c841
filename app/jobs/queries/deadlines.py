"""Deadlines over all jobs: what the law wants by when, what was missed, and which step meets which."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.catalogue.statutory import newer_edition
from app.clients.models import Client
from app.clients.policy import within_sight
from app.core.actors import Actor
from app.core.clock import today
from app.core.db import db, get_or_404
from app.core.wording import day
from app.jobs.models import OPEN_JOBS, UNMET, Deadline, DeadlineState, Job, JobStatus, Task, TaskState
from app.people.models import Person

PER_PAGE = 50


class Standing(enum.StrEnum):
    """Which deadlines a list shows: those still to be met, the late ones among them, or what has become of the rest."""

    TO_MEET = "to_meet"
    OVERDUE = "overdue"
    EXTENDED = "extended"
    MET = "met"
    MET_LATE = "met_late"
    WAIVED = "waived"
    ALL = "all"


@dataclass(frozen=True)
class DeadlineFilter:
    """What is shown, as the address says it. Both days belong to the range."""

    standing: Standing = Standing.TO_MEET
    person_id: UUID | None = None
    client_id: UUID | None = None
    code: str = ""
    from_on: dt.date | None = None
    until_on: dt.date | None = None

    @property
    def is_narrow(self) -> bool:
        return any((self.person_id, self.client_id, self.code, self.from_on, self.until_on))


@dataclass(frozen=True)
class DeadlineRow:
    """A deadline as lists show it."""

    id: UUID
    name: str
    code: str
    effective_on: dt.date
    statutory_on: dt.date
    state: DeadlineState
    met_on: dt.date | None
    reference: str
    job_id: UUID
    job_title: str
    job_number: str
    job_status: JobStatus
    client_id: UUID
    client: str
    owner: str | None

    @property
    def is_unmet(self) -> bool:
        return self.state in UNMET

    @property
    def is_late(self) -> bool:
        return self.is_unmet and self.effective_on < today()

    @property
    def words(self) -> str:
        """How it stands, as a list says it."""
        if self.met_on is not None:
            late = "late, " if self.met_on > self.effective_on else ""
            return f"met {late}{day(self.met_on)}"
        if self.state is DeadlineState.MISSED:
            return "missed"
        if self.is_late:
            return "overdue"
        return {DeadlineState.OPEN: "to meet"}.get(self.state, self.state.value)

    @property
    def meaning(self) -> str:
        if self.is_late or (self.met_on is not None and self.met_on > self.effective_on):
            return "late"
        return "done" if self.state is DeadlineState.SATISFIED else "" if self.is_unmet else "quiet"


_COLUMNS = (
    Deadline.id, Deadline.name, Deadline.code, Deadline.effective_on, Deadline.statutory_on, Deadline.state,
    Deadline.met_on, Deadline.reference, Deadline.job_id, Job.title, Job.number, Job.status, Deadline.client_id,
    Client.name, Person.name,
)


def list_deadlines(found: DeadlineFilter, *, seen_by: Actor, page: int = 1) -> tuple[list[DeadlineRow], int]:
    """One page, overdue first, and how many there are in all."""
    wanted = _conditions(found, seen_by)
    rows = db.session.execute(_listing(found).where(*wanted).limit(PER_PAGE).offset((page - 1) * PER_PAGE))
    total = db.session.scalar(
        sa.select(sa.func.count()).select_from(Deadline).join(Job, Job.id == Deadline.job_id).where(*wanted)
    )
    return [DeadlineRow(*tuple(row)) for row in rows], total or 0


def every_deadline(found: DeadlineFilter, *, seen_by: Actor) -> Iterator[DeadlineRow]:
    """All of them, streamed, for the file; asked when the first is drawn."""
    statement = _listing(found).where(*_conditions(found, seen_by)).execution_options(yield_per=1000)
    for row in db.session.execute(statement):
        yield DeadlineRow(*tuple(row))


def count_standings(found: DeadlineFilter, *, seen_by: Actor) -> dict[Standing, int]:
    """How many a list of each kind would show under the same filter."""
    common = _common(found, seen_by)
    row = db.session.execute(
        sa.select(*(sa.func.count().filter(*_standing(each)) for each in Standing)).select_from(Deadline)
        .join(Job, Job.id == Deadline.job_id).where(*common)
    ).one()
    return dict(zip(Standing, row, strict=True))


def list_codes(*, seen_by: Actor) -> Sequence[tuple[str, str]]:
    """The rules that there are deadlines of, with a name to choose by."""
    rows = db.session.execute(
        sa.select(Deadline.code, sa.func.min(Deadline.name))
        .where(*within_sight(seen_by, Deadline.client_id, Deadline.engagement_id))
        .group_by(Deadline.code).order_by(sa.func.min(Deadline.name), Deadline.code)
    ).all()
    return [(row[0], row[1]) for row in rows]


def get_deadline(deadline_id: UUID, *, seen_by: Actor) -> Deadline:
    return get_or_404(
        sa.select(Deadline)
        .where(Deadline.id == deadline_id, *within_sight(seen_by, Deadline.client_id, Deadline.engagement_id))
    )


_JOB, _TASK = sa.bindparam("job", type_=sa.Uuid()), sa.bindparam("task", type_=sa.Uuid())
_LAST = (
    sa.select(Task.id).where(Task.job_id == _JOB, Task.required, Task.state != TaskState.CANCELLED)
    .order_by(Task.position.desc(), Task.id.desc()).limit(1).scalar_subquery()
)
_MET_BY = sa.select(Deadline).where(
    Deadline.job_id == _JOB, Deadline.state.in_(UNMET),
    sa.or_(Deadline.met_by_task_id == _TASK, sa.and_(Deadline.met_by_task_id.is_(None), _TASK == _LAST)),
).order_by(Deadline.effective_on, Deadline.code)


def met_by(task: Task) -> Sequence[Deadline]:
    """The deadlines, not met yet, that finishing this step meets: those that name it, and where it is the job's last
    required step those that name none."""
    return db.session.scalars(_MET_BY, {"job": task.job_id, "task": task.id}).all()


def met_by_any(task_ids: Iterable[UUID]) -> sa.Select[Deadline]:
    """The deadlines that are met, by one of these steps."""
    return sa.select(Deadline).where(
        Deadline.met_by_task_id.in_(list(task_ids)), Deadline.state == DeadlineState.SATISFIED
    ).order_by(Deadline.effective_on, Deadline.id)


def list_met_by(task: Task) -> Sequence[Deadline]:
    """What opening this step again opens too."""
    return db.session.scalars(met_by_any([task.id])).all()


def unmet_of(job_id: UUID) -> Sequence[Deadline]:
    """The deadlines of a job that are still to be met, the earliest first."""
    return db.session.scalars(
        sa.select(Deadline).where(Deadline.job_id == job_id, Deadline.state.in_(UNMET))
        .order_by(Deadline.effective_on, Deadline.code)
    ).all()


def _listing(found: DeadlineFilter) -> Any:
    unmet = Deadline.state.in_(UNMET)
    late = sa.case((sa.and_(unmet, Deadline.effective_on < today()), 0), (unmet, 1), else_=2)
    decided = found.standing in (Standing.MET, Standing.MET_LATE, Standing.WAIVED)
    order = (Deadline.effective_on.desc(),) if decided else (late, Deadline.effective_on)
    return (
        sa.select(*_COLUMNS).select_from(Deadline).join(Job, Job.id == Deadline.job_id)
        .join(Client, Client.id == Deadline.client_id).outerjoin(Person, Person.id == Job.owner_id)
        .order_by(*order, Deadline.id)
    )


def _conditions(found: DeadlineFilter, seen_by: Actor) -> list[Any]:
    return [*_common(found, seen_by), *_standing(found.standing)]


def _common(found: DeadlineFilter, seen_by: Actor) -> list[Any]:
    """Deadlines are the firm's own list: a contact sees none. What a cancelled job owed is owed no more."""
    wanted: list[Any] = [
        sa.literal(not seen_by.is_contact), Job.status != JobStatus.CANCELLED,
        *within_sight(seen_by, Deadline.client_id, Deadline.engagement_id),
    ]
    if found.person_id:
        wanted.append(Job.owner_id == found.person_id)
    if found.client_id:
        wanted.append(Deadline.client_id == found.client_id)
    if found.code:
        wanted.append(Deadline.code == found.code)
    if found.from_on:
        wanted.append(Deadline.effective_on >= found.from_on)
    if found.until_on:
        wanted.append(Deadline.effective_on <= found.until_on)
    return wanted


def _standing(standing: Standing) -> list[Any]:
    unmet = Deadline.state.in_(UNMET)
    conditions: dict[Standing, list[Any]] = {
        Standing.TO_MEET: [unmet], Standing.OVERDUE: [unmet, Deadline.effective_on < today()],
        Standing.EXTENDED: [Deadline.state == DeadlineState.EXTENDED],
        Standing.MET: [Deadline.state == DeadlineState.SATISFIED],
        Standing.MET_LATE: [Deadline.state == DeadlineState.SATISFIED, Deadline.met_on > Deadline.effective_on],
        Standing.WAIVED: [Deadline.state == DeadlineState.WAIVED], Standing.ALL: [sa.true()],
    }
    return conditions[standing]


def of_older_edition(rule: str, edition: str) -> list[sa.ColumnElement[bool]]:
    """Deadlines of a rule that this edition would count anew: neither met nor waived, extended or set by hand."""
    return [Deadline.rule == rule, Deadline.edition != edition, *_COUNTED_BY_RULE]


_COUNTED_BY_RULE = (~Deadline.due_locked, Deadline.state.in_((DeadlineState.OPEN, DeadlineState.MISSED)))


def list_open_editions(*, seen_by: Actor) -> Sequence[tuple[str, str]]:
    """Statutory rules with an edition that is not the newest and that a deadline of an open job counts by.

    First over all deadlines, which an index answers; whose they are is asked only where some have a newer edition.
    """
    kept = sa.select(Deadline.rule, Deadline.edition).distinct().where(Deadline.rule != "", *_COUNTED_BY_RULE)
    older = [(rule, edition) for rule, edition in db.session.execute(kept) if newer_edition(rule, edition)]
    if not older:
        return []
    rows = db.session.execute(
        kept.join(Job, Job.id == Deadline.job_id).where(
            Job.status.in_(OPEN_JOBS), sa.tuple_(Deadline.rule, Deadline.edition).in_(older),
            *within_sight(seen_by, Deadline.client_id, Deadline.engagement_id),
        )
    )
    return [(row.rule, row.edition) for row in rows]
