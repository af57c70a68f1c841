"""Statutory dates of a job: met, or waived by the authority."""

from __future__ import annotations

from uuid import UUID

from app.activity.commands import record
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import transaction
from app.core.errors import Refused
from app.core.permissions import authorize
from app.jobs.models import Deadline, DeadlineState
from app.jobs.policy import can_edit_job


def satisfy_deadline(deadline: Deadline, *, by: Actor, evidence_id: UUID | None = None, reference: str = "") -> None:
    """Say that what the deadline asks for was done; with the document that shows it, if there is one."""
    authorize(by, can_edit_job, deadline)
    kind = "jobs.deadline.satisfied"
    _decide(deadline, DeadlineState.SATISFIED, kind, by=by, evidence_id=evidence_id, note=reference)


def waive_deadline(deadline: Deadline, *, because: str, by: Actor) -> None:
    """The deadline does not apply this time."""
    authorize(by, can_edit_job, deadline)
    if not because.strip():
        raise Refused("Say why the deadline does not apply.", field="because")
    _decide(deadline, DeadlineState.WAIVED, "jobs.deadline.waived", by=by, note=because.strip())


def reopen_deadline(deadline: Deadline, *, by: Actor) -> None:
    """Take back that a deadline was met or waived."""
    authorize(by, can_edit_job, deadline)
    with transaction():
        if deadline.state is DeadlineState.OPEN:
            return
        deadline.move_to(DeadlineState.OPEN)
        deadline.decided_at = deadline.decided_by = deadline.evidence_id = None
        record("jobs.deadline.reopened", deadline, by=by, name=deadline.name)


def _decide(
    deadline: Deadline, state: DeadlineState, kind: str, *, by: Actor, evidence_id: UUID | None = None, note: str = ""
) -> None:
    if deadline.state is state:
        return
    with transaction():
        deadline.move_to(state)
        deadline.decided_at, deadline.decided_by, deadline.evidence_id = now(), by.person_id, evidence_id
        record(kind, deadline, by=by, name=deadline.name, due=deadline.effective_on, note=note)
