"""Creating a planned job: one INSERT a table, whatever the number of steps, so that a thousand clients take seconds."""

from __future__ import annotations

from collections import Counter
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.catalogue.models import DependencyKind
from app.clients.commands import EngagementFacts, create_engagement, engagement_for_service
from app.clients.models import Client, Engagement
from app.clients.policy import can_see
from app.core.actors import Actor
from app.core.bulk import insert_rows
from app.core.clock import local, now, today
from app.core.db import db, transaction
from app.core.errors import NotFound, Refused
from app.core.ids import new_id
from app.core.locking import take_turn
from app.core.permissions import authorize
from app.firm.commands import next_number
from app.firm.models import SeriesKind
from app.jobs.commands.stages import first_stage
from app.jobs.models import ChecklistItem, Deadline, Dependency, Job, JobRole, Task, TaskState
from app.planning.plans import JobPlan
from app.planning.policy import can_apply
from app.requests.commands.writing import create_request_from_template


def create_planned_job(plan: JobPlan, *, by: Actor, hold_requests: bool = False) -> tuple[UUID, bool]:
    """The job's id, and whether this call made it. The same origin again makes nothing.

    Its requests are asked by themselves at their moments, or held until somebody lets them go.
    """
    authorize(by, can_apply)
    with transaction() as session:
        known = session.scalar(sa.select(Job.id).where(Job.origin == plan.origin))
        return (known, False) if known is not None else create_within(plan, by=by, hold_requests=hold_requests)


def create_within(plan: JobPlan, *, by: Actor, hold_requests: bool = False) -> tuple[UUID, bool]:
    """The same inside the caller's transaction, without asking first whether the job is there."""
    authorize(by, can_apply)
    if not can_see(by, plan.client.id, plan.client.engagement_id):
        raise NotFound()
    if plan.client.lost:
        raise Refused("The engagement that was chosen for it is open no more; choose another.")
    engagement_id = plan.client.engagement_id or engagement_of(plan, by).id
    values = _job(plan, new_id(), engagement_id)
    if not insert_rows(Job, [values], tail="ON CONFLICT (origin) DO NOTHING"):
        return db.session.scalars(sa.select(Job.id).where(Job.origin == plan.origin)).one(), False
    job = Job(**values)  # stands for the row; it belongs to no session
    tasks = _insert_parts(plan, job.id, engagement_id)
    people = [f"person:{person}" for person in sorted(plan.people)]
    record(
        "jobs.job.created", job, by=by, topics=(f"stage:{job.stage_id}", *people), title=plan.title, number=job.number,
        service=plan.service_name, tasks=len(plan.tasks),
    )
    for request in plan.requests:
        create_request_from_template(
            job, request.row, task_id=tasks.get(request.row.step_key or ""), due_on=request.due_on,
            asked_on=request.asked_on, held=hold_requests, by=by,
        )
    return job.id, True


def engagement_of(plan: JobPlan, by: Actor) -> Engagement:
    """The engagement of a job that none is there for: opened for it alone, or the one that jobs of the service share.
    """
    client = db.session.get_one(Client, plan.client.id)
    if not plan.client.opens:
        return engagement_for_service(client, plan.blueprint.service_id, plan.engagement_name, by=by)
    take_turn(f"{client.id} {plan.blueprint.service_id}", at="turn of a service")
    made = db.session.scalar(
        sa.select(Engagement).join(Job, Job.engagement_id == Engagement.id).where(Job.origin == plan.origin)
    )
    if made is not None:  # somebody else has just made this very job
        return made
    facts = EngagementFacts(name=plan.engagement_name, service_id=plan.blueprint.service_id, starts_on=today())
    return create_engagement(new_id(), client, facts, by=by)


def _job(plan: JobPlan, job_id: UUID, engagement_id: UUID) -> dict[str, Any]:
    at = now()
    return {
        "id": job_id, "number": next_number(SeriesKind.JOB)[0], "origin": plan.origin, "client_id": plan.client.id,
        "engagement_id": engagement_id, "service_id": plan.blueprint.service_id,
        "template_id": plan.blueprint.template_id, "title": plan.title,
        "stage_id": first_stage(plan.blueprint.service_id, plan.blueprint.first_stage_id),
        "period_start": plan.period_start, "period_end": plan.period_end,
        "period_name": plan.period_name, "starts_on": plan.starts_on, "due_on": plan.due_on,
        "due_locked": plan.due_by_hand, "due_because": plan.due_because,
        "stage_since": max(plan.starts_on, local(at).date()), "owner_id": plan.owner_id,
        "budget": plan.blueprint.estimate or None, "fee": plan.blueprint.fee, "priority": plan.blueprint.priority,
        "notes": plan.note, "tasks_total": len(plan.tasks), "created_at": at, "updated_at": at,
    }


def _insert_parts(plan: JobPlan, job_id: UUID, engagement_id: UUID) -> dict[str, UUID]:
    """Team, tasks, checklists, dependencies, deadlines. Returns the tasks' ids by step key."""
    whose = {"job_id": job_id, "client_id": plan.client.id, "engagement_id": engagement_id}
    tasks = {task.step.key: new_id() for task in plan.tasks}
    ids = {key: str(task_id) for key, task_id in tasks.items()}
    team = [{"work_role": role, "person_id": str(person)} for role, person in plan.roles.items()]
    insert_rows(JobRole, team, common={"job_id": job_id})
    at = now()
    common = {**whose, "priority": plan.blueprint.priority, "created_at": at, "updated_at": at}
    insert_rows(Task, _tasks(plan, ids, at.isoformat()), common=common)
    insert_rows(ChecklistItem, [
        {"id": str(new_id()), "task_id": ids[task.step.key], "position": position, "key": line.key, "text": line.text}
        for task in plan.tasks for position, line in enumerate(task.step.checklist)
    ])
    insert_rows(Dependency, [
        {"task_id": ids[d.step_key], "on_id": ids[d.on_key], "kind": d.kind, "lag_days": d.lag_days}
        for d in plan.blueprint.dependencies
    ], common={"from_template": True})
    meets = {each.code: ids[each.met_by] for each in plan.blueprint.deadlines if each.met_by}
    insert_rows(Deadline, [
        {
            "code": code, "name": found.title, "jurisdiction": found.rule[:2], "statutory_on": found.due,
            "effective_on": found.due, "basis": found.basis, "source": found.source, "rule": found.rule,
            "edition": found.edition, "trigger_on": found.trigger, "met_by_task_id": meets.get(code),
            "extra": {"rule": found.rule, "trigger": found.trigger},
        }
        for code, found in plan.dates.deadlines
    ], common=whose)
    return tasks


def _tasks(plan: JobPlan, ids: dict[str, str], at: str) -> list[dict[str, Any]]:
    """A step that comes hard after another one is blocked, one that needs the client's answers waits for them."""
    blocked, asking = plan.blueprint.waited_for, {request.row.step_key for request in plan.blueprint.requests}
    after = Counter(d.on_key for d in plan.blueprint.dependencies if d.kind is DependencyKind.HARD)
    rows = []
    for task in plan.tasks:
        step, waits = task.step, task.step.key in asking
        ready = step.key not in blocked and not waits
        state = TaskState.BLOCKED if step.key in blocked else TaskState.WAITING if waits else TaskState.READY
        rows.append({
            "id": ids[step.key], "stage_id": step.stage_id, "step_key": step.key, "position": step.position,
            "name": step.name, "instructions": step.instructions, "kind": step.kind, "work_role": step.work_role,
            "assignee_id": task.assignee_id, "state": state, "waits_for_client": waits,
            "required": step.required, "estimate": step.estimate, "due_on": task.due_on,
            "waited_on_by": after[step.key], "ready_at": at if ready else None,
        })
    return rows
