"""The open work that somebody has in hand: jobs, steps and work roles, as it is handed over."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.clients.models import Client
from app.core.actors import Actor
from app.core.db import db
from app.core.locking import to_lock
from app.jobs.models import OPEN_JOBS, OPEN_STATES, Job, JobRole, Task
from app.people.holdings import Holding, Kind, Scope, register_holdings
from app.people.models import Person

OWNER, STEP = "owner", "step"
# Steps that rooms above will lock in the same transaction, by whose they are: they are locked with those given away.
locked_beside: list[Callable[[UUID], Sequence[UUID]]] = []


def _find(person_id: UUID, scope: Scope) -> list[Holding]:
    within: list[sa.ColumnElement[bool]] = [Job.status.in_(OPEN_JOBS)]
    if scope.client_id is not None:
        within.append(Job.client_id == scope.client_id)
    if scope.engagement_id is not None:
        within.append(Job.engagement_id == scope.engagement_id)
    whose = (Client.id, Client.name, Job.engagement_id)
    jobs = sa.select(Job.id, Job.title, *whose).join(Client, Client.id == Job.client_id).where(*within)
    owned = db.session.execute(jobs.where(Job.owner_id == person_id).order_by(Job.id))
    roles = db.session.execute(
        jobs.add_columns(JobRole.work_role).join(JobRole, JobRole.job_id == Job.id)
        .where(JobRole.person_id == person_id).order_by(Job.id, JobRole.work_role)
    )
    steps = db.session.execute(
        sa.select(Task.id, Task.name, *whose).join(Job, Job.id == Task.job_id).join(Client, Client.id == Task.client_id)
        .where(Task.assignee_id == person_id, Task.state.in_(OPEN_STATES), *within).order_by(Task.job_id, Task.id)
    )
    return [
        *(Holding("jobs", *_placed(row[:5], "In charge of the job"), OWNER) for row in owned),
        *(Holding("jobs", *_placed(row[:5], f"{row.work_role.value.capitalize()} of the job"), row.work_role.value)
          for row in roles),
        *(Holding("jobs", *_placed(row[:5], "Step"), STEP) for row in steps),
    ]


def _placed(row: Any, what: str) -> tuple[UUID, str, str, UUID, str, UUID]:
    return row[0], what, row[1], row[2], row[3], row[4]


def _lock(held: Sequence[Holding], person: Person) -> None:
    steps = [each.id for each in held if each.part == STEP]
    jobs = [each.id for each in held if each.part != STEP]
    either = sa.or_(Job.id.in_(jobs), Job.id.in_(sa.select(Task.job_id).where(Task.id.in_(steps))))
    db.session.execute(to_lock(sa.select(Job.id).where(either), of=Job))
    beside = [step for steps_of in locked_beside for step in steps_of(person.id)]
    db.session.execute(to_lock(sa.select(Task.id).where(Task.id.in_([*steps, *beside])), of=Task))


def _give(held: Sequence[Holding], person: Person, to: Person | None, by: Actor) -> None:
    """To `to`, or to nobody: steps then stand in the unassigned list."""
    receiver = to.id if to else None
    steps = [each.id for each in held if each.part == STEP]
    owned = [each.id for each in held if each.part == OWNER]
    roles = [(each.id, each.part) for each in held if each.part not in (STEP, OWNER)]
    touched = sa.or_(
        Job.id.in_([*owned, *(job_id for job_id, _role in roles)]),
        Job.id.in_(sa.select(Task.job_id).where(Task.id.in_(steps))),
    )
    jobs = db.session.scalars(sa.select(Job.id).where(touched)).all()
    _run(sa.update(Job).where(Job.id.in_(jobs)).values(plan_stale=True))
    taken = _run(
        sa.update(Task).where(Task.id.in_(steps), Task.assignee_id == person.id, Task.state.in_(OPEN_STATES))
        .values(assignee_id=receiver, version=Task.version + 1)
    )
    led = _run(
        sa.update(Job).where(Job.id.in_(owned), Job.owner_id == person.id)
        .values(owner_id=receiver, version=Job.version + 1)
    )
    of_role = sa.tuple_(JobRole.job_id, JobRole.work_role).in_(roles)
    if to is not None:
        _run(sa.update(JobRole).where(of_role, JobRole.person_id == person.id).values(person_id=to.id))
    else:
        _run(sa.delete(JobRole).where(of_role, JobRole.person_id == person.id))
    db.session.expire_all()
    record("jobs.job.handed_over", to or person, by=by,
           topics=(f"person:{person.id}", *((f"person:{to.id}",) if to else ()), *(f"job:{job}" for job in jobs[:200])),
           to=receiver, left=person.id, tasks=taken, jobs=led)


_CANNOT = """(
    EXISTS (SELECT FROM person p WHERE p.id = {0} AND p.state = 'deactivated')
    OR EXISTS (SELECT FROM wall w WHERE w.person_id = {0}
               AND (w.client_id = j.client_id OR w.engagement_id = j.engagement_id))
)"""
_OPEN = "j.id = ANY(CAST(:jobs AS uuid[])) AND j.status IN ('active', 'on_hold')"
_RELEASE = tuple(sa.text(statement) for statement in (
    f"""UPDATE task t SET assignee_id = NULL FROM job j WHERE j.id = t.job_id AND {_OPEN}
        AND t.state NOT IN ('done', 'cancelled') AND {_CANNOT.format("t.assignee_id")}""",
    f"UPDATE job j SET owner_id = NULL WHERE {_OPEN} AND {_CANNOT.format('j.owner_id')}",
    f"DELETE FROM job_role r USING job j WHERE j.id = r.job_id AND {_OPEN} AND {_CANNOT.format('r.person_id')}",
))


def release_from_the_gone(job_ids: Collection[UUID]) -> None:
    """What was finished by somebody who has left, or is behind a wall by now, is nobody's when it is opened again.

    The caller shares the turn of holding, and has locked the jobs.
    """
    db.session.flush()
    for statement in _RELEASE:
        db.session.execute(statement, {"jobs": list(job_ids)})
    db.session.expire_all()


def _run(statement: Any) -> int:
    result: Any = db.session.execute(statement.execution_options(synchronize_session=False))
    return int(result.rowcount)


register_holdings(Kind("jobs", 40, _find, _give, _lock))
