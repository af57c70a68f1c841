"""Telling of a newer edition of a statutory rule, once, those whose jobs it would move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.activity.models import Event
from app.catalogue.models import JobTemplate, TemplateDeadline, TemplateState
from app.catalogue.statutes.shape import StatutoryRule
from app.clients.models import Client, Engagement
from app.core.actors import Actor
from app.core.db import db, transaction
from app.core.locking import take_turn
from app.core.once import digest_of
from app.core.permissions import ROLES, authorize
from app.jobs.models import OPEN_JOBS, Deadline, Job
from app.jobs.queries.deadlines import of_older_edition
from app.people.models import Person, PersonState
from app.planning.editions import rules_with_newer
from app.planning.models import Series, SeriesState, VersionPolicy
from app.planning.policy import CONFIRMS, can_edit_series


@dataclass(frozen=True)
class Edition:
    """An edition of a rule as the subject of an event: no row, for it stands in the tables of the law."""

    id: UUID
    __tablename__: ClassVar[str] = "edition"


def tell_of_editions(*, by: Actor) -> int:
    """Tell of each newer edition that open jobs or recurring work would follow, unless it was told of. How many."""
    authorize(by, can_edit_series)
    return sum(_tell(rule, by) for rule in rules_with_newer(seen_by=by))


def _tell(rule: StatutoryRule, by: Actor) -> bool:
    edition = Edition(digest_of(rule.code, rule.edition))
    told = sa.select(sa.exists().where(Event.subject_kind == edition.__tablename__, Event.subject_id == edition.id))
    if db.session.scalar(told):
        return False
    with transaction() as session:
        take_turn(edition.id)
        people = [] if session.scalar(told) else _concerned(rule)
        if people:
            record("planning.edition.find", edition, by=by, rule=rule.code, title=rule.title, edition=rule.edition,
                   people=people)
        return bool(people)


def _concerned(rule: StatutoryRule) -> list[UUID]:
    """Who may confirm it and answers for such a job or its client; whoever may, where none of those. Nobody where it
    touches no job."""
    counts = sa.select(JobTemplate.service_id).join(TemplateDeadline, TemplateDeadline.template_id == JobTemplate.id)
    older = sa.select(Deadline.job_id).where(*of_older_edition(rule.code, rule.edition))
    touched = sa.union(
        sa.select(Job.engagement_id, Job.owner_id).where(Job.status.in_(OPEN_JOBS), Job.id.in_(older)),
        sa.select(Series.engagement_id, sa.null()).where(
            Series.state != SeriesState.ENDED, Series.version_policy == VersionPolicy.LATEST,
            Series.service_id.in_(counts.where(
                JobTemplate.state == TemplateState.PUBLISHED, TemplateDeadline.rule == rule.code,
                TemplateDeadline.edition != rule.edition,
            )),
        ),
    ).subquery()
    rows = db.session.execute(
        sa.select(
            touched.c.owner_id, sa.func.coalesce(Engagement.partner_id, Client.partner_id),
            sa.func.coalesce(Engagement.manager_id, Client.manager_id),
        ).distinct().join(Engagement, Engagement.id == touched.c.engagement_id)
        .join(Client, Client.id == Engagement.client_id)
    ).all()
    roles = [role for role, allowed in ROLES.items() if allowed.issuperset(CONFIRMS)]
    able = set(db.session.scalars(
        sa.select(Person.id).where(Person.state == PersonState.ACTIVE, Person.role.in_(roles))
    ))
    return sorted(able.intersection(each for row in rows for each in row) or able) if rows else []
