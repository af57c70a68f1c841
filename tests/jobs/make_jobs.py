"""Jobs, tasks and their order for tests."""

from __future__ import annotations

import datetime as dt
from typing import Any

from app.catalogue.models import DependencyKind, Service, Stage
from app.clients.models import Engagement
from app.core.clock import today
from app.core.db import db, transaction
from app.jobs.commands import readiness
from app.jobs.models import Dependency, Job, Task
from tests.make import keep

_numbers = iter(range(1, 1_000_000))


def make_service(name: str = "Bookkeeping", stages: tuple[str, ...] = ("Prepare", "Review", "File")) -> Service:
    service = keep(Service(code=f"S{next(_numbers):05d}", name=name))
    for place, words in enumerate(stages):
        keep(Stage(service_id=service.id, position=place, name=words))
    return service


def make_job(engagement: Engagement, title: str = "Nov bookkeeping", **values: Any) -> Job:
    values.setdefault("starts_on", today() - dt.timedelta(days=10))
    values.setdefault("due_on", today() + dt.timedelta(days=10))
    values.setdefault("number", f"TJ{next(_numbers):05d}")
    return keep(Job(client_id=engagement.client_id, engagement_id=engagement.id, title=title, **values))


def make_task(
    job: Job, name: str = "Reconcile bank", *, after: tuple[Task, ...] = (), lag: int = 0, **values: Any
) -> Task:
    """A task after others; settle the job when all of them are made."""
    values.setdefault("position", next(_numbers))
    values.setdefault("due_on", job.due_on)
    task = keep(Task(job_id=job.id, client_id=job.client_id, engagement_id=job.engagement_id, name=name, **values))
    for each in after:
        keep(Dependency(task_id=task.id, on_id=each.id, kind=DependencyKind.HARD, lag_days=lag))
    return task


def settle(job: Job) -> None:
    """Derive the job's states, as every command that changes tasks does; what the test holds is read again."""
    with transaction():
        readiness.settle([job.id])
    db.session.expire_all()


def make_chain(job: Job, *names: str, **values: Any) -> list[Task]:
    """Tasks one after the other, settled."""
    tasks: list[Task] = []
    for name in names:
        tasks.append(make_task(job, name, after=tuple(tasks[-1:]), **values))
    settle(job)
    return tasks
