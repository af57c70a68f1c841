"""Proofs that what is kept of jobs equals what the graph says."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.catalogue.graph import Edge, ready_tasks
from app.core.clock import local, today, zone
from app.core.db import db
from app.core.proofs import Finding, proof
from app.core.wording import counted
from app.jobs.calendars import calendars_of
from app.jobs.commands.plan import plan_facts, planned
from app.jobs.models import OPEN_STATES, Job, JobStatus, LoadChange, Task

BATCH = 1_000


@proof("jobs.readiness")
def prove_readiness() -> Iterator[Finding]:
    """An open task that nobody has started is ready exactly when the graph says so, or waits for the client then."""
    last = UUID(int=0)
    while True:
        jobs = db.session.execute(sa.text("""
            SELECT j.id, j.client_id FROM job j WHERE j.id > :last AND j.status IN ('active', 'on_hold')
            ORDER BY j.id LIMIT :limit
        """), {"last": last, "limit": BATCH}).all()
        if not jobs:
            return
        last = jobs[-1].id
        yield from _prove({job.id: job.client_id for job in jobs})


def _prove(jobs: dict[UUID, UUID]) -> Iterator[Finding]:
    tasks = db.session.execute(
        sa.select(Task.id, Task.job_id, Task.name, Task.state, Task.started_at, Task.waits_for_client)
        .where(Task.job_id.in_(jobs))
    ).all()
    before: dict[UUID, list[Any]] = defaultdict(list)
    for row in db.session.execute(sa.text("""
        SELECT t.job_id, d.task_id, d.on_id, d.lag_days, p.state, p.done_at
        FROM task t JOIN dependency d ON d.task_id = t.id AND d.kind = 'hard' JOIN task p ON p.id = d.on_id
        WHERE t.job_id = ANY(CAST(:jobs AS uuid[])) AND p.state <> 'cancelled'
    """), {"jobs": list(jobs)}):
        before[row.job_id].append(row)
    calendars = calendars_of(list(jobs.values()))
    of_job: dict[UUID, list[Any]] = defaultdict(list)
    for task in tasks:
        of_job[task.job_id].append(task)
    for job_id, client_id in jobs.items():
        edges = [Edge(row.on_id, row.task_id, True, row.lag_days) for row in before[job_id]]
        done: dict[UUID, dt.date] = {
            row.on_id: local(row.done_at).date() for row in before[job_id] if row.state == "done"
        }
        own = of_job[job_id]
        ready = ready_tasks([task.id for task in own], edges, done, on=today(), calendar=calendars[client_id])
        for task in own:
            if task.state in ("done", "cancelled") or task.started_at is not None:
                continue
            wanted = ("waiting" if task.waits_for_client else "ready") if task.id in ready else "blocked"
            if task.state != wanted:
                said = f"“{task.name}” is kept as {task.state.value}, the graph says {wanted}"
                yield Finding(f"task {task.id}", said)


@proof("jobs.counts")
def prove_counts() -> Iterator[Finding]:
    """The counters on a job equal its tasks."""
    rows = db.session.execute(sa.text("""
        SELECT j.id, j.number, j.tasks_total, j.tasks_done, coalesce(t.total, 0) AS total, coalesce(t.done, 0) AS done
        FROM job j LEFT JOIN (
            SELECT job_id, count(*) FILTER (WHERE state <> 'cancelled') AS total,
                count(*) FILTER (WHERE state = 'done') AS done
            FROM task GROUP BY job_id
        ) t ON t.job_id = j.id
        WHERE (j.tasks_total, j.tasks_done) IS DISTINCT FROM (coalesce(t.total, 0), coalesce(t.done, 0))
    """))
    for row in rows:
        yield Finding(
            f"job {row.number}", f"keeps {row.tasks_done} of {row.tasks_total} done, has {row.done} of {row.total}"
        )


@proof("jobs.deadlines")
def prove_deadlines() -> Iterator[Finding]:
    """What a job keeps of its earliest deadline that is not met is what its deadlines say."""
    rows = db.session.execute(sa.text("""
        SELECT j.id, j.number, j.deadline_on, f.effective_on
        FROM job j LEFT JOIN LATERAL (
            SELECT effective_on, name FROM deadline d
            WHERE d.job_id = j.id AND d.state IN ('open', 'extended', 'missed') ORDER BY effective_on, code LIMIT 1
        ) f ON true
        WHERE (j.deadline_on, j.deadline_name) IS DISTINCT FROM (f.effective_on, coalesce(f.name, ''))
    """))
    for row in rows:
        yield Finding(
            f"job {row.number}", f"keeps {row.deadline_on} as its earliest deadline, it has {row.effective_on}"
        )


@proof("jobs.holders")
def prove_holders() -> Iterator[Finding]:
    """No open step, job or role in it is held by somebody who is gone, or kept from it by a wall: each is in sight."""
    rows = db.session.execute(sa.text("""
        SELECT h.what, j.number, p.name AS person, p.state = 'deactivated' AS gone FROM (
            SELECT 'step ' || name AS what, job_id, assignee_id AS person_id FROM task
            WHERE assignee_id IS NOT NULL AND state NOT IN ('done', 'cancelled')
            UNION ALL SELECT 'job', id, owner_id FROM job WHERE owner_id IS NOT NULL
            UNION ALL SELECT 'role ' || work_role, job_id, person_id FROM job_role
        ) h JOIN job j ON j.id = h.job_id AND j.status IN ('active', 'on_hold') JOIN person p ON p.id = h.person_id
        WHERE p.state = 'deactivated' OR EXISTS (
            SELECT FROM wall w
            WHERE w.person_id = p.id AND (w.client_id = j.client_id OR w.engagement_id = j.engagement_id))
    """))
    for row in rows:
        why = "is gone" if row.gone else "must not see it"
        yield Finding(f"job {row.number}", f"{row.what} is held by {row.person}, who {why}")


@proof("jobs.engagements")
def prove_engagements() -> Iterator[Finding]:
    """What is part of a job, or recorded under it, is of the job's client and engagement."""
    for table in ("task", "deadline", "client_request", "timer", "time_entry", "expense"):
        rows = db.session.execute(sa.text(f"""
            SELECT j.number, count(*) AS many FROM {table} x JOIN job j ON j.id = x.job_id
            WHERE (x.client_id, x.engagement_id) <> (j.client_id, j.engagement_id) GROUP BY j.id LIMIT 100
        """))
        for row in rows:
            yield Finding(f"job {row.number}", f"is of another engagement than {counted(row.many, table)} of it")


@proof("jobs.stages")
def prove_stages() -> Iterator[Finding]:
    """An open job in the last of several stages has nothing required to do."""
    rows = db.session.execute(sa.text("""
        SELECT j.number, s.name, count(*) AS many FROM job j JOIN stage s ON s.id = j.stage_id
        JOIN task t ON t.job_id = j.id AND t.required AND t.state NOT IN ('done', 'cancelled')
        WHERE j.status IN ('active', 'on_hold')
            AND EXISTS (SELECT FROM stage o WHERE o.service_id = s.service_id AND o.position < s.position)
            AND NOT EXISTS (SELECT FROM stage o WHERE o.service_id = s.service_id AND o.position > s.position)
        GROUP BY j.number, s.name ORDER BY j.number
    """))
    for row in rows:
        still_open = counted(row.many, "open step")
        yield Finding(f"job {row.number}", f"stands in “{row.name}”, the last stage, with {still_open}")


@proof("jobs.waited_on")
def prove_waited_on() -> Iterator[Finding]:
    """How many open steps wait for a step, as it keeps it, is how many do."""
    rows = db.session.execute(sa.text("""
        SELECT t.id, t.name, t.waited_on_by, coalesce(f.waiting, 0) AS waiting FROM task t LEFT JOIN (
            SELECT d.on_id, count(*) AS waiting FROM dependency d JOIN task s ON s.id = d.task_id
            WHERE d.kind = 'hard' AND s.state NOT IN ('done', 'cancelled') GROUP BY d.on_id
        ) f ON f.on_id = t.id
        WHERE t.waited_on_by <> coalesce(f.waiting, 0) AND t.state NOT IN ('done', 'cancelled')
    """))
    for row in rows:
        yield Finding(f"task {row.id}", f"“{row.name}” is waited for by {row.waiting}, it keeps {row.waited_on_by}")


@proof("jobs.lags")
def prove_lags() -> Iterator[Finding]:
    """Where a lag ends, as it is kept, is where the calendar of the step that waits says."""
    rows = db.session.execute(sa.text("""
        SELECT t.id, t.name, t.client_id, d.lag_days, d.opens_on, p.done_at
        FROM dependency d JOIN task t ON t.id = d.task_id JOIN task p ON p.id = d.on_id
        JOIN job j ON j.id = t.job_id AND j.status IN ('active', 'on_hold')
        WHERE d.kind = 'hard' AND d.lag_days > 0 AND p.state = 'done' AND t.state NOT IN ('done', 'cancelled')
            AND t.started_at IS NULL
    """)).all()
    calendars = calendars_of([row.client_id for row in rows])
    for row in rows:
        wanted = calendars[row.client_id].add_working_days(local(row.done_at).date(), row.lag_days)
        if row.opens_on != wanted:
            yield Finding(f"task {row.id}", f"“{row.name}” opens on {row.opens_on} as kept, {wanted} is right")


@proof("jobs.plan")
def prove_plans() -> Iterator[Finding]:
    """Latest starts, critical path and risk, as kept, follow from what is there.

    A job that is marked to be planned again, itself or through somebody whose load has changed, is being worked out.
    """
    marked = sa.or_(
        Job.plan_stale, Job.planned_at < dt.datetime.combine(today(), dt.time(), zone()), Job.planned_at.is_(None),
        sa.select(LoadChange.id).join(Task, Task.assignee_id == LoadChange.person_id)
        .where(Task.job_id == Job.id, Task.state.in_(OPEN_STATES)).exists(),
        sa.exists().where(LoadChange.person_id.is_(None), LoadChange.job_id == Job.id),
    )
    active = Job.status == JobStatus.ACTIVE
    waiting = db.session.scalar(sa.select(sa.func.count()).select_from(Job).where(active, marked))
    if waiting:
        yield Finding("jobs", f"{counted(waiting, 'plan')} being worked out", note=True)
    last = UUID(int=0)
    while True:
        ids = db.session.scalars(
            sa.select(Job.id).where(active, ~marked, Job.id > last).order_by(Job.id).limit(BATCH)
        ).all()
        if not ids:
            return
        last = ids[-1]
        jobs = plan_facts(ids)
        found = planned(jobs, calendars_of([job.client_id for job in jobs]))
        kept = {row.id: row for row in db.session.execute(
            sa.select(Task.id, Task.name, Task.latest_start_on, Task.is_critical)
            .where(Task.job_id.in_(ids), Task.state.in_(OPEN_STATES))
        )}
        for job in jobs:
            plan = found[job.id]
            if plan.risk != job.at_risk_because:
                yield Finding(f"job {job.id}", f"keeps the risk “{job.at_risk_because}”, it follows “{plan.risk}”")
            for task_id in plan.tasks:
                task = kept[task_id]
                if (task.latest_start_on, task.is_critical) != (plan.starts.get(task_id), task_id in plan.critical):
                    said = f"keeps {task.latest_start_on} as its latest start, it is {plan.starts.get(task_id)}"
                    yield Finding(f"task {task_id}", f"“{task.name}” {said}")
