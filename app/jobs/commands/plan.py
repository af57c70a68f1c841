"""The plan of each job, kept: latest starts from its critical path, and why it is at risk, if it is."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.catalogue.graph import Edge
from app.core import live
from app.core.again import lost_a_race
from app.core.clock import now, today
from app.core.db import db, transaction
from app.core.each import each_by_itself
from app.core.locking import to_lock
from app.core.wording import day, duration
from app.firm.calendars import WorkingCalendar
from app.jobs.calendars import calendars_of
from app.jobs.commands.redating import redate
from app.jobs.load import NOTHING, Hours
from app.jobs.models import OPEN_STATES, Dependency, Job, JobStatus, LoadChange, Task
from app.jobs.queries.load import LEFT, hours_of
from app.jobs.schedule import Work, schedule

CHUNK = 200


@dataclass(frozen=True)
class OpenTask:
    """What the plan asks of an open task; `left` as `jobs.load` says it."""

    id: UUID
    job_id: UUID
    name: str
    assignee_id: UUID | None
    due_on: dt.date | None
    open_after: dt.date | None
    left: dt.timedelta


@dataclass(frozen=True)
class Plan:
    """What is kept of a job's plan: latest starts, the longest chain to the due date, and why it is at risk."""

    starts: Mapping[UUID, dt.date] = field(default_factory=dict)
    critical: frozenset[UUID] = frozenset()
    risk: str = ""
    tasks: tuple[UUID, ...] = ()


def plan_stale_jobs(limit: int = CHUNK) -> int:
    """Plan the jobs that have changed since they were planned last. Returns how many; safe to run side by side.

    One that cannot be planned holds up no other: the rest is planned, and then the first error is raised.
    """
    try:
        return _plan_stale(limit=limit)
    except Exception as error:
        if lost_a_race(error):
            raise
        db.session.rollback()
    ids = db.session.scalars(sa.select(Job.id).where(*_STALE).order_by(Job.id)).all()
    chunks = [ids[start : start + limit] for start in range(0, len(ids), limit)]
    return each_by_itself(chunks, _plan_these, name="jobs.plan")


def _plan_these(ids: Sequence[UUID]) -> int:
    """All at once, or one at a time where that fails."""
    try:
        return _plan_stale(ids)
    except Exception:
        db.session.rollback()
    return each_by_itself(ids, lambda job_id: _plan_stale([job_id]), name="jobs.plan")


_STALE = (Job.plan_stale, Job.status == JobStatus.ACTIVE)


def _plan_stale(among: Sequence[UUID] | None = None, *, limit: int = CHUNK) -> int:
    """In one transaction: the next ones, or those of `among`, that nobody else is planning."""
    chosen = sa.select(Job.id).where(*_STALE).limit(limit)
    with transaction() as session:
        ids = session.scalars(to_lock(
            chosen if among is None else chosen.where(Job.id.in_(among)), lightly=True, skip_taken=True,
        )).all()
        plan(ids)
        return len(ids)


def spread_load_changes() -> int:
    """Have the jobs of everybody whose load or hours changed planned again, but for those that must be done before the
    first day that differs, and the jobs that wait for a step that changed. Returns how many; safe side by side."""
    with transaction() as session:
        changes = session.execute(
            sa.delete(LoadChange).returning(LoadChange.person_id, LoadChange.job_id, LoadChange.since)
        ).all()
        if not changes:
            return 0
        theirs = sa.or_(Job.id.in_({each.job_id for each in changes if each.job_id}), _has_work_after(changes))
        ids = session.scalars(
            to_lock(sa.select(Job.id).where(Job.status == JobStatus.ACTIVE, ~Job.plan_stale, theirs), lightly=True)
        ).all()
        session.execute(
            sa.update(Job).where(Job.id.in_(ids)).values(plan_stale=True)
            .execution_options(synchronize_session=False)
        )
        return len(ids)


def _has_work_after(changes: Sequence[Any]) -> sa.ColumnElement[bool]:
    """Of a job: somebody whose load changed has a step there, and it may be done on or after the day of the change."""
    since: dict[UUID, dt.date] = {}
    for each in changes:
        if each.person_id and (each.since or each.job_id is None):
            first = each.since or dt.date.min
            since[each.person_id] = min(first, since.get(each.person_id, first))
    by_day: dict[dt.date, list[UUID]] = defaultdict(list)
    for person, first in since.items():
        by_day[first].append(person)
    return sa.or_(sa.false(), *(
        sa.and_(
            sa.or_(Job.must_by.is_(None), Job.must_by >= first),
            Job.id.in_(sa.select(Task.job_id).where(Task.assignee_id.in_(people), Task.state.in_(OPEN_STATES))),
        )
        for first, people in sorted(by_day.items())
    ))


def wake_up(limit: int = 20_000) -> int:
    """A new day: every active job that was planned before today is due for planning again."""
    midnight = now() - dt.timedelta(hours=20)
    with transaction() as session:
        chosen = sa.select(Job.id).where(
            Job.status == JobStatus.ACTIVE, ~Job.plan_stale, Job.planned_at < midnight
        ).limit(limit)
        result: Any = session.execute(sa.update(Job).where(Job.id.in_(chosen)).values(plan_stale=True))
        return int(result.rowcount)


def plan(job_ids: Sequence[UUID]) -> None:
    """Write the latest start of each open task and the job's risk; in the caller's transaction, a few statements."""
    if not job_ids:
        return
    jobs = plan_facts(job_ids)
    calendars = calendars_of([job.client_id for job in jobs])
    redate(jobs, calendars)
    found = planned(jobs, calendars)
    starts = {task: day for plan in found.values() for task, day in plan.starts.items()}
    chain = {task for plan in found.values() for task in plan.critical}
    risks = {job_id: plan.risk for job_id, plan in found.items()}
    _write(starts, chain, risks, [task for plan in found.values() for task in plan.tasks])
    live.publish(*(f"job:{job.id}" for job in jobs if risks[job.id] != job.at_risk_because))


def planned(jobs: Sequence[Any], calendars: Mapping[UUID, WorkingCalendar]) -> dict[UUID, Plan]:
    """The plan of each of these jobs as it follows from what is there now; reads only. `jobs` as `plan_facts`."""
    job_ids = [job.id for job in jobs]
    tasks, edges = _open_tasks(Task.job_id.in_(job_ids)), _edges(job_ids)
    ahead, links = _ahead_elsewhere(job_ids)
    hours = hours_of({task.assignee_id for each in tasks.values() for task in each if task.assignee_id})
    return {
        job.id: plan_job(
            tasks.get(job.id, []), [*edges.get(job.id, []), *links.get(job.id, [])], job.must_by,
            calendars[job.client_id], hours, ahead.get(job.id, ()),
        )
        for job in jobs
    }


def plan_facts(job_ids: Sequence[UUID]) -> Sequence[Any]:
    """What planning asks of jobs."""
    return db.session.execute(
        sa.select(Job.id, Job.client_id, Job.template_id, Job.must_by, Job.at_risk_because).where(Job.id.in_(job_ids))
    ).all()


def plan_job(
    tasks: Sequence[OpenTask], edges: Sequence[Edge[UUID]], due_on: dt.date | None, calendar: WorkingCalendar,
    hours: Hours, ahead: Sequence[OpenTask] = (),
) -> Plan:
    """At risk is a job when a task of its critical path is past its latest start, or when more is left to do than its
    owner has hours free until the due date. `ahead` are the open tasks of other jobs that it waits for."""
    # Rows come in any order: which of two equal steps is critical, and named, must not change with it.
    tasks, edges = sorted(tasks, key=lambda task: task.id), sorted(edges, key=lambda edge: (edge.before, edge.after))
    ahead = sorted(ahead, key=lambda task: task.id)
    due = due_on or max((task.due_on for task in tasks if task.due_on), default=None)
    ids = tuple(task.id for task in tasks)
    if not tasks or due is None:
        return Plan(tasks=ids)
    works = {
        task.id: Work(int(task.left.total_seconds() // 60), task.due_on, task.open_after) for task in tasks
    } | {task.id: Work(int(task.left.total_seconds() // 60), None, task.open_after) for task in ahead}
    planned = schedule(works, edges, today=today(), due=due, calendar=calendar)
    starts = {key: planned.slots[key].latest_start for key in ids}
    chain = frozenset(planned.critical_path).intersection(ids) if edges else frozenset()
    if due < today():
        return Plan(starts, chain, tasks=ids)
    for task in sorted(tasks, key=lambda task: starts[task.id]):
        if planned.slots[task.id].critical and starts[task.id] < today():
            return Plan(starts, chain, f"“{task.name}” should have started by {day(starts[task.id])}", ids)
    for task in sorted(ahead, key=lambda task: planned.slots[task.id].latest_start):
        begin = planned.slots[task.id].latest_start
        if planned.slots[task.id].critical and begin < today():
            names = {each.id: each.name for each in tasks}
            waits = names[first_after(task.id, edges, names)]
            return Plan(starts, chain, f"what “{waits}” waits for in another job should have started by {day(begin)}",
                        ids)
    return Plan(starts, chain, _overload(tasks, due, hours), ids)


def first_after(task: UUID, edges: Sequence[Edge[UUID]], own: Collection[UUID]) -> UUID:
    """The nearest of one's own tasks that comes after this one of another job."""
    reached = [task]
    for each in reached:
        following = [edge.after for edge in edges if edge.before == each]
        if found := next((after for after in following if after in own), None):
            return found
        reached += [after for after in following if after not in reached]
    raise ValueError("none of these comes after it")


def _overload(tasks: Sequence[OpenTask], due: dt.date, hours: Hours) -> str:
    left: dict[UUID, dt.timedelta] = defaultdict(dt.timedelta)
    counted: dict[UUID, dt.timedelta] = defaultdict(dt.timedelta)
    for task in tasks:
        if task.assignee_id:
            left[task.assignee_id] += task.left
            if task.due_on and task.due_on <= due:
                counted[task.assignee_id] += task.left
    for person, mine in left.items():
        free = hours.free(person, due, counted[person])
        if mine > max(free, NOTHING):
            name, has = hours.names.get(person, "Somebody"), duration(max(free, NOTHING))
            return f"{name} has {has} h free until {day(due)}; {duration(mine)} h of work is left"
    return ""


def _open_tasks(*which: sa.ColumnElement[bool]) -> dict[UUID, list[OpenTask]]:
    rows = db.session.execute(
        sa.select(
            Task.id, Task.job_id, Task.name, Task.assignee_id, Task.due_on, Task.open_after, LEFT.label("left")
        )
        .join(Job, Job.id == Task.job_id).where(*which, Task.state.in_(OPEN_STATES))
    )
    found: dict[UUID, list[OpenTask]] = defaultdict(list)
    for row in rows:
        left = dt.timedelta(seconds=int(row.left))
        found[row.job_id].append(
            OpenTask(row.id, row.job_id, row.name, row.assignee_id, row.due_on, row.open_after, left)
        )
    return found


def _edges(job_ids: Sequence[UUID]) -> dict[UUID, list[Edge[UUID]]]:
    """Between open tasks of the same job: what is done holds nothing up any more."""
    before, after = sa.orm.aliased(Task), sa.orm.aliased(Task)
    rows = db.session.execute(
        sa.select(after.job_id, Dependency.on_id, Dependency.task_id, Dependency.kind, Dependency.lag_days)
        .join(after, after.id == Dependency.task_id).join(before, before.id == Dependency.on_id)
        .where(after.job_id.in_(job_ids), before.job_id == after.job_id, after.state.in_(OPEN_STATES),
               before.state.in_(OPEN_STATES))
    )
    found: dict[UUID, list[Edge[UUID]]] = defaultdict(list)
    for row in rows:
        found[row.job_id].append(Edge(row.on_id, row.task_id, row.kind == "hard", row.lag_days))
    return found


_ELSEWHERE = sa.text("""
    WITH RECURSIVE link(root, on_id, task_id, lag_days) AS (
        SELECT t.job_id, d.on_id, d.task_id, d.lag_days FROM task t
        JOIN dependency d ON d.task_id = t.id AND d.kind = 'hard' JOIN task p ON p.id = d.on_id
        WHERE t.job_id = ANY(CAST(:jobs AS uuid[])) AND p.job_id <> t.job_id
            AND t.state NOT IN ('done', 'cancelled') AND p.state NOT IN ('done', 'cancelled')
        UNION
        SELECT l.root, d.on_id, d.task_id, d.lag_days FROM link l
        JOIN task t ON t.id = l.on_id AND t.job_id <> l.root
        JOIN dependency d ON d.task_id = t.id AND d.kind = 'hard'
        JOIN task p ON p.id = d.on_id AND p.state NOT IN ('done', 'cancelled')
    )
    SELECT root, on_id, task_id, lag_days FROM link
""")


def _ahead_elsewhere(
    job_ids: Sequence[UUID]
) -> tuple[dict[UUID, list[OpenTask]], dict[UUID, list[Edge[UUID]]]]:
    """By job: the open tasks of other jobs that come before its own, however far, and the orders between them."""
    links: dict[UUID, list[Edge[UUID]]] = defaultdict(list)
    wanted: dict[UUID, set[UUID]] = defaultdict(set)
    for row in db.session.execute(_ELSEWHERE, {"jobs": list(job_ids)}):
        links[row.root].append(Edge(row.on_id, row.task_id, True, row.lag_days))
        wanted[row.root].add(row.on_id)
    if not links:
        return {}, links
    found = _open_tasks(Task.id.in_(set().union(*wanted.values())))
    tasks = [task for each in found.values() for task in each]
    return {
        root: [task for task in tasks if task.id in ids and task.job_id != root] for root, ids in wanted.items()
    }, links


def _write(
    starts: Mapping[UUID, dt.date], chain: Collection[UUID], risks: Mapping[UUID, str], tasks: Sequence[UUID]
) -> None:
    db.session.execute(sa.text("""
        UPDATE task t SET latest_start_on = p.day, is_critical = p.critical
        FROM unnest(CAST(:ids AS uuid[]), CAST(:days AS date[]), CAST(:chain AS boolean[])) AS p(id, day, critical)
        WHERE t.id = p.id AND (t.latest_start_on, t.is_critical) IS DISTINCT FROM (p.day, p.critical)
    """), {
        "ids": list(tasks), "days": [starts.get(task) for task in tasks], "chain": [task in chain for task in tasks],
    })
    db.session.execute(sa.text("""
        UPDATE job j SET at_risk_because = p.why, plan_stale = false, planned_at = :now
        FROM unnest(CAST(:ids AS uuid[]), CAST(:whys AS text[])) AS p(id, why) WHERE j.id = p.id
    """), {"ids": list(risks), "whys": list(risks.values()), "now": now()})
    for row in list(db.session.identity_map.values()):
        if isinstance(row, Job) and row.id in risks:
            db.session.expire(row, ["at_risk_because", "plan_stale", "planned_at"])
        elif isinstance(row, Task) and row.id in starts:
            db.session.expire(row, ["latest_start_on", "is_critical"])
