"""Confirming a newer edition of a statutory rule: the services and the open jobs that somebody chose, one by one."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.catalogue.commands.editions import adopt_in_service, has_draft
from app.catalogue.models import Service
from app.catalogue.statutory import UnknownRule, find_rule
from app.core.actors import Actor
from app.core.db import db, transaction
from app.core.errors import Refused
from app.core.once import digest_of, made_before
from app.core.permissions import authorize
from app.core.wording import counted
from app.jobs.commands.shifts import adopt_edition, item_of
from app.jobs.models import Job
from app.planning.editions import renewal_of
from app.planning.policy import can_confirm_edition
from app.runs.commands import start_run, works
from app.runs.models import ItemState, Run, RunItem
from app.runs.queries import tells

KIND = "planning.edition"


def confirm_edition(
    run_id: UUID, rule_code: str, *, services: Collection[UUID], jobs: Collection[UUID], seen: str, by: Actor
) -> Run:
    """Start a run over what was chosen of that which was shown (`seen` is its digest). What was not chosen stays as it
    is and in sight. Jobs of which no date moves come along with any that do. Pressed again, the same run."""
    authorize(by, can_confirm_edition)
    try:
        rule = find_rule(rule_code)
    except UnknownRule as unknown:
        raise Refused(str(unknown)) from None
    said = digest_of(rule.code, set(services), set(jobs), seen)
    with transaction():
        existing = made_before(Run, run_id, said)
        if existing is not None:
            return existing
        renewal = renewal_of(rule, seen_by=by)
        if renewal.seen != seen:
            raise Refused("Something has changed since these dates were shown. Look at them once more.")
        whole = {"rule": rule.code}
        items = [
            (each.service.name, {**whole, "service_id": str(each.service.id)})
            for each in renewal.services if each.service.id in services and not each.in_draft
        ]
        moving = [each for each in renewal.moving if each.job_id in jobs and not each.overrun]
        if not items and not moving and (renewal.moving or not renewal.staying):
            raise Refused("Choose at least one service or one job.")
        items += [(each.title, item_of(each, whole)) for each in (*moving, *renewal.staying)]
        title = f"{rule.title}: the law as of {rule.edition}"
        return start_run(run_id, KIND, title, items, by=by, said=said, options={"seen": seen})


@works(KIND)
def confirm_one(_run: Run, item: RunItem, by: Actor) -> dict[str, Any]:
    authorize(by, can_confirm_edition)
    said = item.payload
    if "job_id" in said:
        moved = adopt_edition(db.session.get_one(Job, UUID(said["job_id"])), said["rule"], said["shown"], by=by)
        return {"moved": len(moved)}
    service = db.session.get_one(Service, UUID(said["service_id"]))
    adopt_in_service(service, said["rule"], by=by)
    return {"waits": has_draft(service)}


@tells(KIND)
def what_waits(run: Run) -> str:
    """Of services that somebody is editing: jobs to come follow when the draft is published."""
    waiting = db.session.scalar(sa.select(sa.func.count()).select_from(RunItem).where(
        RunItem.run_id == run.id, RunItem.state == ItemState.DONE, RunItem.result["waits"].astext == "true"
    )) or 0
    if not waiting:
        return ""
    have = "has" if waiting == 1 else "have"
    return f"{counted(waiting, 'service')} {have} a draft: once it is published, jobs to come follow."
