"""A service counts by the newest edition of a statutory rule: in its next version, as a published one never changes."""

from __future__ import annotations

import sqlalchemy as sa

from app.activity.commands import record
from app.catalogue.commands.drafts import draft_next_version, open_draft, publish_template
from app.catalogue.models import JobTemplate, Service, TemplateDeadline, TemplateState
from app.catalogue.policy import can_edit_template
from app.catalogue.statutory import find_rule
from app.core.actors import Actor
from app.core.db import db, transaction
from app.core.locking import to_lock
from app.core.permissions import authorize


def adopt_in_service(service: Service, rule: str, *, by: Actor) -> JobTemplate | None:
    """Publish the next version with the newest edition; None where the service has it already.

    A draft that somebody is at work on takes the edition along and stays a draft: it counts once it is published.
    """
    authorize(by, can_edit_template)
    newest = find_rule(rule)
    with transaction() as session:
        session.execute(to_lock(sa.select(Service.id).where(Service.id == service.id)))
        older = session.scalars(
            sa.select(JobTemplate.state).join(TemplateDeadline, TemplateDeadline.template_id == JobTemplate.id).where(
                JobTemplate.service_id == service.id, JobTemplate.state != TemplateState.RETIRED,
                TemplateDeadline.rule == newest.code, TemplateDeadline.edition != newest.edition,
            )
        ).all()
        waits = has_draft(service)
        if not older or (waits and TemplateState.DRAFT not in older):
            return None
        draft = open_draft(draft_next_version(service, by=by))
        session.execute(
            sa.update(TemplateDeadline)
            .where(TemplateDeadline.template_id == draft.id, TemplateDeadline.rule == newest.code)
            .values(edition=newest.edition)
        )
        record("catalogue.deadline.renew", draft, by=by, name=newest.title, edition=newest.edition)
        if not waits:
            publish_template(draft, by=by)
        return draft


def has_draft(service: Service) -> bool:
    return db.session.scalar(sa.select(sa.exists().where(
        JobTemplate.service_id == service.id, JobTemplate.state == TemplateState.DRAFT
    ))) or False
