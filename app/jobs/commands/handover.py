"""When somebody leaves, what is open and theirs goes to a colleague, or to the unassigned queue."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from app.activity.commands import record
from app.clients.access import actor_for
from app.clients.policy import within_sight
from app.core.actors import Actor
from app.core.db import db, transaction
from app.core.permissions import Permission, authorize
from app.jobs.models import OPEN_JOBS, OPEN_STATES, Job, JobRole, Task
from app.people.commands.people import on_deactivate
from app.people.models import Person


def can_hand_over(by: Actor) -> bool:
    return by.may(Permission.PEOPLE_EDIT) or by.may(Permission.JOB_EDIT)


@on_deactivate
def hand_over(person: Person, to: Person | None, by: Actor) -> None:
    """Give open tasks, jobs and roles to `to`; what a wall keeps from them is left to the unassigned queue."""
    authorize(by, can_hand_over)
    with transaction() as session:
        tasks = [Task.assignee_id == person.id, Task.state.in_(OPEN_STATES)]
        jobs = [Job.owner_id == person.id, Job.status.in_(OPEN_JOBS)]
        given = {"tasks": 0, "jobs": 0}
        touched = sa.or_(Job.owner_id == person.id, Job.id.in_(sa.select(Task.job_id).where(*tasks)))
        session.execute(_update(Job).where(touched, Job.status.in_(OPEN_JOBS)).values(plan_stale=True))
        held = sa.select(Job.id).where(Job.status.in_(OPEN_JOBS))
        if to is not None:
            successor = actor_for(to)
            seen = within_sight(successor, Task.client_id, Task.engagement_id)
            job_seen = within_sight(successor, Job.client_id, Job.engagement_id)
            given["tasks"] = _run(_update(Task).where(*tasks, *seen).values(assignee_id=to.id))
            given["jobs"] = _run(_update(Job).where(*jobs, *job_seen).values(owner_id=to.id))
            theirs = sa.select(Job.id).where(Job.status.in_(OPEN_JOBS), *job_seen)
            _run(_update(JobRole).where(JobRole.person_id == person.id, JobRole.job_id.in_(theirs))
                 .values(person_id=to.id))
        _run(_update(Task).where(*tasks).values(assignee_id=None))
        _run(_update(Job).where(*jobs).values(owner_id=None))
        session.execute(
            sa.delete(JobRole).where(JobRole.person_id == person.id, JobRole.job_id.in_(held))
            .execution_options(synchronize_session=False)
        )
        session.expire_all()
        record("jobs.job.handed_over", to or person, by=by, topics=(f"person:{to.id}",) if to else (),
               to=to.id if to else None, left=person.id, tasks=given["tasks"], jobs=given["jobs"])


def _update(table: Any) -> Any:
    return sa.update(table).execution_options(synchronize_session=False)


def _run(statement: Any) -> int:
    result: Any = db.session.execute(statement)
    return int(result.rowcount)
