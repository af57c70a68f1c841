"""Finding what to record time on: lately used first, then steps, jobs and engagements by a few letters."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from app.clients.models import Client, Engagement, EngagementStatus
from app.clients.policy import within_sight
from app.clients.queries import client_found, read_typed
from app.core.actors import Actor
from app.core.clock import today
from app.core.db import db
from app.core.finding import Typed, has_words
from app.jobs.models import OPEN_STATES, Job, JobStatus, Task
from app.timekeeping.models import TimeEntry
from app.timekeeping.targets import Target

MOST = 20
LATELY = dt.timedelta(days=60)


@dataclass(frozen=True)
class Work:
    """One choice: where time goes, whose it is, what it is called."""

    target: Target
    client: str
    name: str
    job: str = ""
    hint: str = ""

    @property
    def text(self) -> str:
        parts = (self.client, self.job, self.name)
        return " · ".join(part for part in parts if part)


def find_work(text: str, *, seen_by: Actor, limit: int = MOST) -> list[Work]:
    """With nothing typed: what one lately recorded on and one's own open steps. Contacts find nothing."""
    if not seen_by.is_person:
        return []
    text = " ".join(text.split())[:100]
    if not text:
        return _distinct([*_lately(seen_by), *_own_steps(seen_by, "")], limit)
    last = text.rsplit(" · ", 1)[-1]
    found = [*_own_steps(seen_by, last), *_jobs(seen_by, last), *_engagements(seen_by, last)]
    words = text.casefold()
    return _distinct(sorted(found, key=lambda work: work.text.casefold() != words), limit)


def resolve_work(text: str, *, seen_by: Actor) -> Target | None:
    """The one piece of work of exactly this name or number, for forms sent without script."""
    words = " ".join(text.split()).casefold()
    said = [
        (work, [each.casefold() for each in (work.text, work.name, work.hint)])
        for work in find_work(text, seen_by=seen_by)
    ]
    exact = [work for work, names in said if words in names]
    same_text = [work for work in exact if work.text.casefold() == words]
    chosen = same_text or exact
    return chosen[0].target if len(chosen) == 1 else None


def currency_of(target: Target, *, seen_by: Actor) -> str | None:
    """The currency of the engagement that a target belongs to; None where there is none in sight."""
    if not seen_by.is_person:
        return None
    engagement_id: Any = target.engagement_id
    if target.job_id:
        engagement_id = sa.select(Job.engagement_id).where(Job.id == target.job_id).scalar_subquery()
    if target.task_id:
        engagement_id = sa.select(Task.engagement_id).where(Task.id == target.task_id).scalar_subquery()
    return db.session.scalar(
        sa.select(Engagement.currency)
        .where(Engagement.id == engagement_id, *within_sight(seen_by, Engagement.client_id, Engagement.id))
    )


def _distinct(found: Iterable[Work], limit: int) -> list[Work]:
    return list({str(work.target): work for work in found}.values())[:limit]


def _sight(table: Any, seen_by: Actor) -> list[Any]:
    return within_sight(seen_by, table.client_id, table.engagement_id)


def _lately(seen_by: Actor) -> list[Work]:
    latest = sa.func.max(TimeEntry.id.cast(sa.Text)).label("latest")
    group = TimeEntry.task_id, TimeEntry.job_id, TimeEntry.engagement_id, TimeEntry.client_id
    used = (
        sa.select(*group, latest)
        .where(
            TimeEntry.person_id == seen_by.id,
            TimeEntry.worked_on > today() - LATELY,
            TimeEntry.deleted_at.is_(None),
            *_sight(TimeEntry, seen_by),
        )
        .group_by(*group)
        .order_by(latest.desc())
        .limit(10)
        .subquery()
    )
    rows = db.session.execute(
        sa.select(
            used, Client.name.label("client"), Engagement.name.label("engagement"), Job.title, Task.name.label("task")
        )
        .join(Client, Client.id == used.c.client_id)
        .join(Engagement, Engagement.id == used.c.engagement_id)
        .outerjoin(Job, Job.id == used.c.job_id)
        .outerjoin(Task, Task.id == used.c.task_id)
        .where(Engagement.status == EngagementStatus.OPEN)
        .order_by(used.c.latest.desc())
    )
    return [
        Work(
            Target.of(row), row.client, row.task or row.title or row.engagement, row.title if row.task else "", "lately"
        )
        for row in rows
    ]


def _steps_select() -> Any:
    return (
        sa.select(Task.id, Task.name, Job.title, Job.number, Client.name.label("client"))
        .join(Job, Job.id == Task.job_id)
        .join(Client, Client.id == Task.client_id)
    )


def _step(row: Any) -> Work:
    return Work(Target(task_id=row.id), row.client, row.name, row.title, "step")


def _own_steps(seen_by: Actor, text: str) -> list[Work]:
    statement = _steps_select().where(
        Task.assignee_id == seen_by.id,
        Task.state.in_(OPEN_STATES),
        Job.status == JobStatus.ACTIVE,
        *_sight(Task, seen_by),
    )
    if text:
        typed = read_typed(text)
        step = has_words(sa.func.search_words(Task.name), typed)
        statement = statement.where(
            sa.or_(step, has_words(Job.found_by, typed), client_found(typed, contacts=False))
        )
    return [_step(row) for row in db.session.execute(statement.order_by(Task.due_on, Task.id).limit(10))]


def _jobs_select() -> Any:
    return sa.select(Job.id, Job.title, Job.number, Client.name.label("client")).join(
        Client, Client.id == Job.client_id
    )


def _job(row: Any) -> Work:
    return Work(Target(job_id=row.id), row.client, row.title, "", row.number)


def _clients_like(text: str, seen_by: Actor) -> Any:
    found = client_found(read_typed(text), contacts=False)
    return sa.select(Client.id).where(found, *within_sight(seen_by, Client.id)).limit(50)


def _jobs(seen_by: Actor, text: str) -> Sequence[Work]:
    """By title, number or client; the two halves so that each uses its index."""
    base = _jobs_select().where(Job.status == JobStatus.ACTIVE, *_sight(Job, seen_by)).limit(MOST)
    named = base.where(has_words(Job.found_by, Typed.of(text))).order_by(Job.due_on)
    theirs = base.where(Job.client_id.in_(_clients_like(text, seen_by))).order_by(Job.due_on)
    return [_job(row) for half in (named, theirs) for row in db.session.execute(half)]


def _engagements_select() -> Any:
    return sa.select(Engagement.id, Engagement.name, Engagement.number, Client.name.label("client")).join(
        Client, Client.id == Engagement.client_id
    )


def _engagement(row: Any) -> Work:
    return Work(Target(engagement_id=row.id), row.client, row.name, "", row.number)


def _engagements(seen_by: Actor, text: str) -> Sequence[Work]:
    rows = db.session.execute(
        _engagements_select()
        .where(
            Engagement.status == EngagementStatus.OPEN,
            *within_sight(seen_by, Engagement.client_id, Engagement.id),
            sa.or_(
                has_words(Engagement.found_by, Typed.of(text)),
                Engagement.client_id.in_(_clients_like(text, seen_by)),
            ),
        )
        .order_by(Client.sort_key, Engagement.name)
        .limit(MOST)
    )
    return [_engagement(row) for row in rows]
