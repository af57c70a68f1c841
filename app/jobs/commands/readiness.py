"""Readiness: blocked, ready and waiting are derived from the graph here, and nowhere else, in a few statements."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.orm.util import identity_key

from app.core import live
from app.core.clock import now, today
from app.core.db import db
from app.core.locking import takes
from app.jobs.models import Job, Task, TaskState

# What the state of an open task is. A started one is never blocked again; `:task`, if any, counts as done already.
_STATE = """
    SELECT t.id,
        CASE
            WHEN t.started_at IS NOT NULL AND t.waits_for_client THEN 'waiting'
            WHEN t.started_at IS NOT NULL AND t.kind = 'review' THEN 'in_review'
            WHEN t.started_at IS NOT NULL THEN 'in_progress'
            WHEN bool_or(p.state NOT IN ('done', 'cancelled') AND p.id IS DISTINCT FROM CAST(:task AS uuid))
                THEN 'blocked'
            WHEN max(d.opens_on) > :today THEN 'blocked'
            WHEN t.waits_for_client THEN 'waiting'
            ELSE 'ready'
        END AS state,
        CASE
            WHEN t.started_at IS NOT NULL
                OR bool_or(p.state NOT IN ('done', 'cancelled') AND p.id IS DISTINCT FROM CAST(:task AS uuid)) THEN NULL
            WHEN max(d.opens_on) > :today THEN max(d.opens_on)
        END AS open_after
    FROM task t
    LEFT JOIN dependency d ON d.task_id = t.id AND d.kind = 'hard'
    LEFT JOIN task p ON p.id = d.on_id
    WHERE t.state NOT IN ('done', 'cancelled') AND t.id = ANY({scope})
    GROUP BY t.id
"""
_WRITE = """
    UPDATE task t SET state = f.state, open_after = f.open_after, updated_at = :now,
        ready_at = CASE WHEN f.state = 'ready' THEN :now ELSE t.ready_at END
    FROM fact f
    WHERE t.id = f.id AND (t.state, t.open_after) IS DISTINCT FROM (f.state, f.open_after)
    RETURNING t.id, t.job_id, t.assignee_id, t.name, t.state
"""
_SUCCESSORS = "ARRAY(SELECT task_id FROM dependency WHERE on_id = ANY(CAST(:changed AS uuid[])) AND kind = 'hard')"
_OF_JOBS = """ARRAY(
    SELECT id FROM task WHERE job_id = ANY(CAST(:jobs AS uuid[]))
    UNION SELECT d.task_id FROM dependency d JOIN task p ON p.id = d.on_id
    WHERE p.job_id = ANY(CAST(:jobs AS uuid[])) AND d.kind = 'hard')"""

_LOCK = sa.text(f"""
    SELECT id, (SELECT count(*) FROM dependency
                WHERE on_id = ANY(CAST(:changed AS uuid[])) AND lag_days > 0 AND kind = 'hard') AS lagged
    FROM job
    WHERE id = ANY(CAST(:jobs AS uuid[]) || ARRAY(
        SELECT t.job_id FROM task t WHERE t.id = ANY({_SUCCESSORS})))
    ORDER BY id FOR NO KEY UPDATE
""")
# Tasks are locked in the order of their ids before any is written: what comes before or after a step may lie in a job
# that is not locked, and be written from two sides.
_HOLD_TASKS = sa.text("""
    SELECT id FROM task WHERE id = ANY(CAST(:changed AS uuid[]) || ARRAY(
        SELECT id FROM task WHERE job_id = ANY(CAST(:jobs AS uuid[]))
        UNION SELECT d.task_id FROM dependency d JOIN task p ON p.id = d.on_id
        WHERE p.job_id = ANY(CAST(:jobs AS uuid[])) AND d.kind = 'hard'
        UNION SELECT d.on_id FROM dependency d JOIN task a ON a.id = d.task_id
        WHERE a.job_id = ANY(CAST(:jobs AS uuid[]))))
    ORDER BY id FOR NO KEY UPDATE
""")
_SETTLE = sa.text(f"WITH fact AS ({_STATE.format(scope=_OF_JOBS)}) {_WRITE}")
_SETTLE_TASKS = sa.text(f"WITH fact AS ({_STATE.format(scope='CAST(:changed AS uuid[])')}) {_WRITE}")
_COUNT = sa.text("""
    WITH f AS (
        SELECT job_id, count(*) FILTER (WHERE state <> 'cancelled') AS total,
            count(*) FILTER (WHERE state = 'done') AS done
        FROM task WHERE job_id = ANY(CAST(:jobs AS uuid[])) GROUP BY job_id
    )
    UPDATE job j SET tasks_total = coalesce(f.total, 0), tasks_done = coalesce(f.done, 0), plan_stale = true
    FROM unnest(CAST(:jobs AS uuid[])) AS wanted(id) LEFT JOIN f ON f.job_id = wanted.id
    WHERE j.id = wanted.id
""")
_WAITED_ON = sa.text("""
    UPDATE task t SET waited_on_by = f.waiting
    FROM (
        SELECT t.id, count(s.id) AS waiting
        FROM task t
        LEFT JOIN dependency d ON d.on_id = t.id AND d.kind = 'hard'
        LEFT JOIN task s ON s.id = d.task_id AND s.state NOT IN ('done', 'cancelled')
        WHERE t.id = ANY(ARRAY(
            SELECT id FROM task WHERE job_id = ANY(CAST(:jobs AS uuid[]))
            UNION SELECT d.on_id FROM dependency d JOIN task a ON a.id = d.task_id
            WHERE a.job_id = ANY(CAST(:jobs AS uuid[]))))
        GROUP BY t.id
    ) f
    WHERE t.id = f.id AND t.waited_on_by <> f.waiting
""")
# Of one task, named by its id and never by a list: so the database plans it once and not each time.
_AFTER = "ARRAY(SELECT task_id FROM dependency WHERE on_id = :task AND kind = 'hard')"
_FINISH = sa.text(f"""
    WITH held AS MATERIALIZED (
        SELECT id FROM task WHERE id = :task OR id = ANY({_AFTER}) ORDER BY id FOR NO KEY UPDATE
    ), done AS (
        UPDATE task SET state = 'done', done_at = :now, done_by = :by, started_at = coalesce(started_at, :now),
            snoozed_until = NULL, return_note = '', version = version + 1, updated_at = :now
        WHERE id = :task AND state IN ('ready', 'in_progress', 'in_review') AND (SELECT count(*) FROM held) > 0
        RETURNING id, job_id
    ), fact AS ({_STATE.format(scope=_AFTER)}),
    readied AS ({_WRITE}),
    counted AS (
        UPDATE job j SET tasks_done = tasks_done + 1, plan_stale = true FROM done WHERE j.id = done.job_id
        RETURNING j.id, j.stage_id
    )
    SELECT (SELECT count(*) FROM done) AS done,
        (SELECT coalesce(json_agg(readied), '[]') FROM readied) AS readied,
        ARRAY(SELECT DISTINCT t.job_id FROM task t WHERE t.id = ANY({_AFTER})) AS around,
        c.stage_id IS NOT NULL AND NOT EXISTS (
            SELECT FROM task t WHERE t.job_id = c.id AND t.stage_id = c.stage_id AND t.required
            AND t.state NOT IN ('done', 'cancelled') AND t.id <> :task) AS stage_is_clear
    FROM (SELECT 1) one LEFT JOIN counted c ON true
""")


_LOCK_OF_ONE = sa.text(f"""
    SELECT id, (SELECT count(*) FROM dependency
                WHERE on_id = :task AND lag_days > 0 AND kind = 'hard') AS lagged,
        EXISTS (SELECT FROM dependency d JOIN task p ON p.id = d.on_id
                WHERE d.task_id = :task AND d.kind = 'hard' AND p.state NOT IN ('done', 'cancelled')) AS ahead
    FROM job
    WHERE id = ANY(CAST(:job AS uuid) || ARRAY(SELECT t.job_id FROM task t WHERE t.id = ANY({_AFTER})))
    ORDER BY id FOR NO KEY UPDATE
""")


@dataclass(frozen=True)
class Moved:
    """A task whose derived state has just changed."""

    id: UUID
    job_id: UUID
    assignee_id: UUID | None
    name: str
    state: TaskState

    @property
    def is_ready(self) -> bool:
        return self.state is TaskState.READY


@dataclass(frozen=True)
class Finished:
    """What finishing a task brought about: whether it was finished just now, and which steps it opened."""

    now_done: bool
    moved: tuple[Moved, ...] = ()
    around: frozenset[UUID] = frozenset()
    stage_is_clear: bool = False


@dataclass(frozen=True)
class Locked:
    """The jobs that this transaction holds; `has_lag` when something after the changed tasks waits some days more,
    `is_ahead` when something open stands before the one task."""

    jobs: frozenset[UUID]
    has_lag: bool
    is_ahead: bool = False


def lock_jobs(job_ids: Collection[UUID], *, changed: Collection[UUID] = ()) -> Locked:
    """Lock the jobs, and those whose tasks come after the `changed` tasks, in the order of their ids."""
    return _locked(_LOCK, jobs=sorted(job_ids), changed=list(changed))


def lock_jobs_of(task: Task) -> Locked:
    """Lock the job of a task that changes, and those of what comes after it."""
    return _locked(_LOCK_OF_ONE, job=task.job_id, task=task.id)


def _locked(statement: sa.TextClause, **values: Any) -> Locked:
    rows = db.session.connection().execute(statement, values).all()
    takes("job", [row.id for row in rows])
    ahead = any(getattr(row, "ahead", False) for row in rows)
    return Locked(frozenset(row.id for row in rows), any(row.lagged for row in rows), ahead)


def hold_jobs(job_ids: Collection[UUID] | Callable[[], Collection[UUID]]) -> None:
    """Lock the jobs with every other one that `settle` of them will look at: all at once, in the order of their ids.

    Which those are may change while this waits: then what was locked is let go, and all are locked anew. `job_ids` may
    be a question, which is asked again under the locks.
    """
    while True:
        with suppress(_Changed), db.session.begin_nested():
            jobs = sorted(set(job_ids() if callable(job_ids) else job_ids))
            held = lock_jobs(jobs, changed=_leaving(jobs)).jobs
            if not {*(job_ids() if callable(job_ids) else jobs), *_jobs_after(jobs)} <= held:
                raise _Changed
            _hold_tasks(jobs=jobs)
            return


class _Changed(Exception):
    """Other jobs have come into it meanwhile; the savepoint that this ends lets the locks go."""


def finish(task: Task, *, by: UUID | None) -> Finished:
    """Write a task done, ready what came after it and count its job, in one statement; its jobs are locked."""
    values = {"task": task.id, "by": by, "now": now(), "today": today()}
    row = db.session.connection().execute(_FINISH, values).one()
    if not row.done:
        return Finished(False)
    written = {
        "state": TaskState.DONE, "done_at": values["now"], "done_by": by, "return_note": "", "snoozed_until": None,
        "started_at": task.started_at or values["now"], "version": task.version + 1,
    }
    for name, value in written.items():
        set_committed_value(task, name, value)
    moved = tuple(
        Moved(UUID(r["id"]), UUID(r["job_id"]), UUID(r["assignee_id"]) if r["assignee_id"] else None, r["name"],
              TaskState(r["state"]))
        for r in row.readied
    )
    return Finished(True, moved, frozenset(row.around), row.stage_is_clear)


def settle(job_ids: Collection[UUID]) -> list[Moved]:
    """Derive everything kept of these jobs anew: states, counters, who is waited on; few statements for any number.

    Call it after any change of tasks or dependencies, inside the same transaction. Returns what changed its state.
    """
    jobs = sorted(set(job_ids))
    if not jobs:
        return []
    db.session.flush()
    lock_jobs(jobs, changed=_leaving(jobs))
    _hold_tasks(jobs=jobs)
    moved = _run(_SETTLE, jobs=jobs)
    db.session.execute(_COUNT, {"jobs": jobs})
    db.session.execute(_WAITED_ON, {"jobs": jobs})
    _forget(jobs)
    _tell(moved)
    return moved


def settle_tasks(task_ids: Collection[UUID]) -> list[Moved]:
    """Derive the state of single tasks whose own facts changed: started, waiting for the client, a lag that ended."""
    if not task_ids:
        return []
    db.session.flush()
    _hold_tasks(changed=list(task_ids))
    moved = _run(_SETTLE_TASKS, changed=list(task_ids))
    for change in moved:
        held = db.session.identity_map.get(identity_key(Task, change.id))
        if held is not None:
            set_committed_value(held, "state", change.state)
    _tell(moved)
    return moved


def _hold_tasks(jobs: Sequence[UUID] = (), changed: Sequence[UUID] = ()) -> None:
    rows = db.session.execute(_HOLD_TASKS, {"jobs": list(jobs), "changed": list(changed)}).scalars().all()
    takes("task", rows)


def _run(statement: sa.TextClause, **values: Any) -> list[Moved]:
    rows: Sequence[Any] = db.session.execute(
        statement, {"task": None, "now": now(), "today": today(), **values}
    ).all()
    return [Moved(r.id, r.job_id, r.assignee_id, r.name, TaskState(r.state)) for r in rows]


def _leaving(jobs: Sequence[UUID]) -> list[UUID]:
    """Tasks of these jobs that something in another job waits for."""
    return list(db.session.scalars(sa.text("""
        SELECT p.id FROM task p JOIN dependency d ON d.on_id = p.id JOIN task t ON t.id = d.task_id
        WHERE p.job_id = ANY(CAST(:jobs AS uuid[])) AND t.job_id <> p.job_id
    """), {"jobs": list(jobs)}))


def _jobs_after(jobs: Sequence[UUID]) -> set[UUID]:
    """The jobs of what waits for steps of these."""
    return set(db.session.scalars(sa.text("""
        SELECT t.job_id FROM task p JOIN dependency d ON d.on_id = p.id AND d.kind = 'hard'
        JOIN task t ON t.id = d.task_id WHERE p.job_id = ANY(CAST(:jobs AS uuid[]))
    """), {"jobs": list(jobs)}))


def _forget(jobs: Sequence[UUID]) -> None:
    """Rows that the statements above have changed behind the session's back are read again when next asked for."""
    wanted = set(jobs)
    for row in list(db.session.identity_map.values()):
        if isinstance(row, Task) and row.job_id in wanted:
            db.session.expire(row, ["state", "open_after", "ready_at", "waited_on_by", "updated_at"])
        elif isinstance(row, Job) and row.id in wanted:
            db.session.expire(row, ["tasks_done", "tasks_total", "plan_stale"])


def _tell(moved: Sequence[Moved]) -> None:
    topics = {f"person:{m.assignee_id}" for m in moved if m.assignee_id} | {f"job:{m.job_id}" for m in moved}
    if topics:
        live.publish(*sorted(topics))


def tell_assignees(moved: Sequence[Moved]) -> tuple[str, ...]:
    """The live topics of the people whose tasks have moved."""
    return tuple(sorted({f"person:{m.assignee_id}" for m in moved if m.assignee_id}))
