"""Statutory rules of which there is a newer edition than services and open jobs count by, and what it would move."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import joinedload

from app.catalogue.blueprints import due_and_deadlines, in_newest_edition
from app.catalogue.models import JobTemplate, Service, TemplateDeadline, TemplateState
from app.catalogue.queries import get_blueprint, list_editions
from app.catalogue.statutes.shape import StatutoryRule
from app.catalogue.statutory import find_rule, newer_edition
from app.clients.places import region_code
from app.clients.policy import within_sight
from app.core.actors import Actor
from app.core.db import db
from app.core.once import digest_of
from app.jobs.calendars import calendars_of
from app.jobs.dates import EditionChanged
from app.jobs.models import Deadline, Job
from app.jobs.queries.deadlines import list_open_editions, of_older_edition
from app.jobs.shifts import Shift, digest_of_shifts, shifts_of
from app.planning.models import Occurrence, OccurrenceState, Series, SeriesState, VersionPolicy
from app.planning.plans import anchors_of
from app.planning.policy import can_see_plans

MOST_SERIES = 200


@dataclass(frozen=True)
class Coming:
    """The first period to come of a recurring service whose dates change: its statutory date and the job's own."""

    series_id: UUID
    title: str
    client: str
    before: dt.date
    after: dt.date
    due_before: dt.date | None
    due_after: dt.date | None


@dataclass(frozen=True)
class InService:
    """A service whose published version counts by an older edition; `coming` is what recurs of it and changes.

    `draft` is the version that somebody is editing; `in_draft` says that it has the newest edition already.
    `recurring` is how many recur by the newest version, `pinned` how many keep theirs and so their dates.
    """

    service: Service
    number: int
    edition: str
    draft: int | None
    in_draft: bool
    recurring: int
    pinned: int
    coming: tuple[Coming, ...]


@dataclass(frozen=True)
class Renewal:
    """One rule with a newer edition: the services and the open jobs that count by an older one."""

    rule: StatutoryRule
    services: tuple[InService, ...]
    jobs: tuple[Shift, ...]

    @cached_property
    def moving(self) -> list[Shift]:
        return [each for each in self.jobs if each.moving]

    @property
    def staying(self) -> list[Shift]:
        """Jobs that count by an older edition, which says the same of them."""
        return [each for each in self.jobs if not each.moving]

    @property
    def seen(self) -> str:
        """The digest of what somebody is shown."""
        services = [
            [each.service.id, each.number, each.draft, each.in_draft, [[c.series_id, c.after] for c in each.coming]]
            for each in self.services
        ]
        return str(digest_of(self.rule.code, self.rule.edition, services, digest_of_shifts(self.jobs)))


def list_renewals(*, seen_by: Actor) -> list[Renewal]:
    """What each rule in use that has a newer edition changes."""
    return [renewal_of(rule, seen_by=seen_by) for rule in rules_with_newer(seen_by=seen_by)]


def rules_with_newer(*, seen_by: Actor) -> list[StatutoryRule]:
    """Each rule in use that has a newer edition, by its code."""
    pairs = {*list_editions(), *list_open_editions(seen_by=seen_by)} if can_see_plans(seen_by) else set()
    codes = {rule.code for name, edition in pairs if (rule := newer_edition(name, edition))}
    return [find_rule(code) for code in sorted(codes)]


def renewal_of(rule: StatutoryRule, *, seen_by: Actor) -> Renewal:
    """What a rule's newest edition changes; nothing in it where everything counts by that already."""
    if not can_see_plans(seen_by):
        return Renewal(rule, (), ())
    older = sa.select(Deadline.job_id).where(*of_older_edition(rule.code, rule.edition))
    jobs = shifts_of([Job.id.in_(older)], EditionChanged(rule.code, rule.edition), seen_by=seen_by)
    return Renewal(rule, tuple(_services(rule, seen_by)), tuple(jobs))


def _services(rule: StatutoryRule, seen_by: Actor) -> list[InService]:
    draft = sa.select(JobTemplate.number).where(
        JobTemplate.service_id == Service.id, JobTemplate.state == TemplateState.DRAFT
    ).correlate(Service).scalar_subquery()
    newest = sa.exists().where(
        TemplateDeadline.rule == rule.code, TemplateDeadline.edition == rule.edition,
        TemplateDeadline.template_id.in_(sa.select(JobTemplate.id).where(
            JobTemplate.service_id == Service.id, JobTemplate.state == TemplateState.DRAFT
        ).correlate(Service)),
    ).correlate(Service)
    rows = db.session.execute(
        sa.select(Service, JobTemplate.id.label("template_id"), JobTemplate.number, TemplateDeadline.edition,
                  TemplateDeadline.code, draft.label("draft"), newest.label("in_draft"))
        .join(JobTemplate, JobTemplate.service_id == Service.id)
        .join(TemplateDeadline, TemplateDeadline.template_id == JobTemplate.id)
        .where(
            JobTemplate.state == TemplateState.PUBLISHED, Service.archived_at.is_(None),
            TemplateDeadline.rule == rule.code, TemplateDeadline.edition != rule.edition,
        ).order_by(sa.func.lower(Service.name), Service.id, TemplateDeadline.code)
    ).all()
    found: dict[UUID, InService] = {}
    for row in rows:
        if row.Service.id not in found:
            series = _series(row.Service.id, seen_by)
            latest = [each for each in series if each.version_policy is VersionPolicy.LATEST]
            found[row.Service.id] = InService(
                row.Service, row.number, row.edition, row.draft, row.in_draft, len(latest), len(series) - len(latest),
                tuple(_coming(rule, row.template_id, latest[:MOST_SERIES])),
            )
    return list(found.values())


def _series(service_id: UUID, seen_by: Actor) -> Sequence[Series]:
    return db.session.scalars(
        sa.select(Series).where(
            Series.service_id == service_id, Series.state != SeriesState.ENDED,
            *within_sight(seen_by, Series.client_id, Series.engagement_id),
        ).order_by(Series.id).options(joinedload(Series.client, innerjoin=True))
    ).all()


def _coming(rule: StatutoryRule, template_id: UUID, rows: Sequence[Series]) -> list[Coming]:
    """Of each series the first forecast that changes, by the version as it is and in the newest edition."""
    if not rows:
        return []
    calendars = calendars_of([row.client_id for row in rows])
    forecasts: dict[UUID, list[Occurrence]] = {}
    for each in db.session.scalars(
        sa.select(Occurrence).where(
            Occurrence.series_id.in_([row.id for row in rows]), Occurrence.state == OccurrenceState.FORECAST
        ).order_by(Occurrence.period_start)
    ):
        forecasts.setdefault(each.series_id, []).append(each)
    now = get_blueprint(template_id)
    then = in_newest_edition(now, rule.code)
    codes = [each.code for each in now.deadlines if each.rule == rule.code]
    found = []
    for row in rows:
        client, calendar = row.client, calendars[row.client_id]
        region = region_code(client.country, client.region)
        for each in forecasts.get(row.id, ()):
            anchors = anchors_of(each.period, each.starts_on)
            due_before, before = due_and_deadlines(now, anchors, calendar, region=region)
            due_after, after = due_and_deadlines(then, anchors, calendar, region=region)
            code = next((c for c in codes if c in before and c in after and before[c].due != after[c].due), None)
            if code:
                found.append(Coming(
                    row.id, each.title, client.name, before[code].due, after[code].due,
                    each.due_by_hand or due_before, each.due_by_hand or due_after,
                ))
                break
    return found

