"""A newer edition of a statutory rule: shown old → new for open jobs and jobs to come, and confirmed one by one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.activity.commands import run_reader, seal_events
from app.activity.models import Event
from app.catalogue import statutory
from app.catalogue.commands import draft_next_version, edit_template, publish_template
from app.catalogue.commands.editions import adopt_in_service
from app.catalogue.due_rules import DueRule, days
from app.catalogue.models import JobTemplate, Service, TemplateDeadline
from app.catalogue.queries import get_blueprint, latest_published
from app.catalogue.statutory import find_rule
from app.clients.access import actor_for
from app.clients.models import Client, Engagement, Wall
from app.core.actors import SYSTEM
from app.core.clock import now, travel_to
from app.core.errors import NotAllowed, Refused
from app.core.ids import new_id
from app.jobs.commands.deadline_dates import extend_deadline
from app.jobs.commands.jobs import cancel_job
from app.jobs.commands.shifts import adopt_edition
from app.jobs.dates import drifted
from app.jobs.models import Deadline, DeadlineState, Job
from app.jobs.queries.dates import dates_of_job
from app.notifications.queries import list_notices
from app.people.models import Person
from app.planning.commands.create import create_planned_job
from app.planning.commands.editions import confirm_edition
from app.planning.commands.finding import tell_of_editions
from app.planning.commands.series import end_series, pause_series
from app.planning.editions import list_renewals, renewal_of
from app.planning.facts import client_facts, staffing
from app.planning.models import Occurrence, OccurrenceState
from app.planning.periods import PeriodKind, PeriodPattern
from app.planning.plans import Wish, plan_job
from app.planning.proofs import forecasts_equal_their_definition
from app.runs.commands import work_run
from app.runs.models import Run
from app.runs.queries import told_of
from tests.make import Cast, count, keep, sign_in
from tests.planning.make_planning import make_series, make_service
from tests.planning.test_series import follow_events

NOW = dt.datetime(2026, 6, 1, 9, tzinfo=dt.UTC)
BY_LAW, BY_NEW_LAW = dt.date(2026, 7, 7), dt.date(2026, 7, 12)


class Firm:
    """VAT about May, due two days before the law's date, open for Acme and Rival; Acme's recurs from June on."""

    def __init__(self, cast: Cast, session: Session) -> None:
        self.cast, self.session = cast, session
        self.service, _template = make_service("VAT", request=False)
        draft = draft_next_version(self.service, by=SYSTEM)
        edit_template(draft, title_pattern="{client} VAT {period}", priority=0, fee=None, by=SYSTEM,
                      due_rule=DueRule("deadline:UK-VAT", (days(-2),)))
        publish_template(draft, by=SYSTEM)
        self.acme, self.rival = self.make(cast.acme), self.make(cast.rival)
        self.series = make_series(cast.acme, self.service, dt.date(2026, 6, 1))
        follow_events()

    def make(self, client: Client) -> Job:
        template_id = latest_published(self.service.id)
        assert template_id is not None
        facts = client_facts([client.id], self.service.id, seen_by=SYSTEM)[client.id]
        wish = Wish(PeriodPattern(PeriodKind.MONTH), dt.date(2026, 5, 15))
        plan = plan_job(facts, get_blueprint(template_id), "VAT", wish, staffing(), origin=f"test:{new_id()}")
        return self.session.get_one(Job, create_planned_job(plan, by=SYSTEM)[0])

    def deadline(self, job: Job) -> Deadline:
        self.session.expire_all()
        return self.session.scalars(sa.select(Deadline).where(Deadline.job_id == job.id)).one()

    def dates(self, job: Job) -> tuple[dt.date, dt.date | None]:
        return self.deadline(job).effective_on, job.due_on

    def forecast(self) -> Sequence[dt.date | None]:
        self.session.expire_all()
        return self.session.scalars(
            sa.select(Occurrence.due_on).where(Occurrence.state == OccurrenceState.FORECAST)
            .order_by(Occurrence.period_start).limit(1)
        ).all()

    def confirm(self, *jobs: Job, services: bool = True, by: Any = None, run_id: UUID | None = None) -> Run:
        actor = self.cast.actor(by or self.cast.mel)
        seen = renewal_of(find_rule("UK-VAT"), seen_by=actor).seen
        run = confirm_edition(
            run_id or new_id(), "UK-VAT", services={self.service.id} if services else set(),
            jobs={job.id for job in jobs}, seen=seen, by=actor,
        )
        work_run(run.id, lambda _: actor)
        self.session.expire_all()
        return run


@pytest.fixture
def firm(cast: Cast, session: Session) -> Any:
    with travel_to(NOW):
        yield Firm(cast, session)


@pytest.fixture
def new_law(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Ships an edition by which VAT is due five days later."""

    def ship(edition: str = "2027-04") -> None:
        vat, rules = find_rule("UK-VAT"), dict(statutory._by_key())
        changed = replace(vat, edition=edition, steps=(*vat.steps, days(5)), older=(vat,))
        monkeypatch.setattr(statutory, "_by_key", lambda: rules | {"UKVAT": changed})

    return ship


def test_until_it_is_confirmed_a_newer_edition_moves_nothing_and_is_in_sight(
    firm: Firm, new_law: Any, client: FlaskClient
) -> None:
    mel = sign_in(client, firm.cast.mel)
    assert "Everything counts by the newest edition" in mel.get("/services/editions").text
    assert "newer edition" not in mel.get("/services").text + mel.get("/deadlines").text
    new_law()
    assert firm.dates(firm.acme) == (BY_LAW, BY_LAW - dt.timedelta(days=2))
    assert not drifted(dates_of_job(firm.acme)) and list(forecasts_equal_their_definition()) == []
    assert firm.deadline(firm.make(firm.cast.acme)).effective_on == BY_LAW, "the service counts by its own edition"
    for page in ("/services", "/deadlines"):
        assert "1 statutory rule has a newer edition" in mel.get(page).text
    page = mel.get("/services/editions").text
    for words in ("VAT return and payment", "2027-04", "Acme Ltd", "Rival plc", "Tue 7 Jul", "Sun 12 Jul",
                  "1 recurring client", "Fri 7 Aug", "Wed 12 Aug", "Confirm edition 2027-04"):
        assert words in page, words
    assert "2027-04 is" in mel.get(f"/templates/{latest_published(firm.service.id)}").text
    assert "Confirm edition" not in sign_in(client, firm.cast.sam).get("/services/editions").text


def test_what_is_confirmed_moves_with_all_that_follows_and_the_rest_stays_and_is_shown(
    firm: Firm, new_law: Any, client: FlaskClient
) -> None:
    new_law()
    before, (coming,) = latest_published(firm.service.id), firm.forecast()
    run_id = new_id()
    run = firm.confirm(firm.acme, run_id=run_id)
    assert firm.dates(firm.acme) == (BY_NEW_LAW, BY_NEW_LAW - dt.timedelta(days=2))
    assert firm.deadline(firm.acme).edition == "2027-04" and firm.dates(firm.rival)[0] == BY_LAW
    template = firm.session.get_one(JobTemplate, latest_published(firm.service.id))
    assert template.number == 3 and template.id != before
    editions = dict(firm.session.execute(sa.select(TemplateDeadline.template_id, TemplateDeadline.edition)).all())
    assert (editions[before], editions[template.id]) == ("2026-11", "2027-04"), "a published version never changes"
    follow_events()
    assert coming is not None and firm.forecast() == [coming + dt.timedelta(days=5)]
    assert list(forecasts_equal_their_definition()) == []
    events = firm.session.scalars(sa.select(Event).where(Event.kind.in_(
        ("jobs.deadline.renewed", "jobs.job.redated", "catalogue.deadline.renew", "catalogue.template.publish")
    ), Event.cause == f"run {run_id}")).all()
    assert len(events) == 4, "each says that the run led to it"
    (renewal,) = list_renewals(seen_by=firm.cast.actor(firm.cast.mel))
    assert not renewal.services and [each.job_id for each in renewal.jobs] == [firm.rival.id]
    mel = sign_in(client, firm.cast.mel)
    assert "confirmed the law of 2027-04" in mel.get(f"/jobs/{firm.acme.id}?section=timeline").text
    again = confirm_edition(run_id, "UK-VAT", services={firm.service.id}, jobs={firm.acme.id},
                            seen=_said(run), by=firm.cast.actor(firm.cast.mel))
    assert again.id == run_id and count(Run) == 1
    firm.confirm(firm.rival, services=False)
    assert list_renewals(seen_by=SYSTEM) == []
    assert adopt_edition(firm.rival, "UK-VAT", [], by=SYSTEM) == []
    assert adopt_in_service(firm.service, "UK-VAT", by=SYSTEM) is None


def _said(run: Run) -> str:
    return str(run.options["seen"])


def test_a_deadline_that_was_extended_met_or_set_by_hand_is_not_counted_anew(firm: Firm, new_law: Any) -> None:
    by = firm.cast.actor(firm.cast.mel)
    extend_deadline(firm.deadline(firm.acme), to=dt.date(2026, 8, 1), because="Illness", by=by)
    locked = firm.deadline(firm.rival)
    locked.due_locked = True
    firm.session.flush()
    new_law()
    (renewal,) = list_renewals(seen_by=by)
    assert renewal.services and not renewal.jobs
    assert firm.deadline(firm.acme).state is DeadlineState.EXTENDED


def test_what_has_changed_since_it_was_shown_is_refused_or_passed_over(firm: Firm, new_law: Any) -> None:
    new_law()
    mel = firm.cast.actor(firm.cast.mel)
    seen = renewal_of(find_rule("UK-VAT"), seen_by=mel).seen
    firm.acme.period_end = dt.date(2026, 4, 30)
    firm.session.flush()
    with pytest.raises(Refused, match="Look at them once more"):
        confirm_edition(new_id(), "UK-VAT", services=set(), jobs={firm.rival.id}, seen=seen, by=mel)
    with pytest.raises(Refused, match="Choose at least one"):
        firm.confirm(services=False)
    seen = renewal_of(find_rule("UK-VAT"), seen_by=mel).seen
    run = confirm_edition(new_id(), "UK-VAT", services=set(), jobs={firm.rival.id}, seen=seen, by=mel)
    firm.rival.period_end = dt.date(2026, 4, 30)
    firm.session.flush()
    work_run(run.id, lambda _: mel)
    assert firm.deadline(firm.rival).edition == "2026-11", "what nobody has looked at is not done"


def test_nothing_is_begun_where_nothing_was_chosen(firm: Firm, new_law: Any) -> None:
    new_law()
    firm.confirm(firm.acme, firm.rival, services=False)
    with pytest.raises(Refused, match="Choose at least one"):
        firm.confirm(services=False)
    assert count(Run) == 1 and [each.service.id for each in list_renewals(seen_by=SYSTEM)[0].services]


def told(*people: Person) -> list[list[str]]:
    """What stands in the inbox of each of it, once everything is read, and where it leads."""
    while seal_events() or run_reader("notifications.inbox"):
        pass
    lines = [list_notices(seen_by=actor_for(person))[0] for person in people]
    return [[f"{each.words} {each.url}" for each in of if "edition" in each.words] for of in lines]


def test_those_whose_jobs_it_would_move_are_told_once_of_a_newer_edition(firm: Firm, new_law: Any) -> None:
    cast = firm.cast
    for table in (Client, Engagement):
        firm.session.execute(sa.update(table).values(partner_id=None, manager_id=None))
    cast.acme.manager_id, firm.acme.owner_id, firm.rival.owner_id = cast.mel.id, None, cast.sam.id
    firm.session.flush()
    assert tell_of_editions(by=SYSTEM) == 0 and told(cast.mel) == [[]]
    new_law()
    with pytest.raises(NotAllowed):
        tell_of_editions(by=cast.actor(cast.sam))
    news = "says: “VAT return and payment” has a newer edition, 2027-04. Look at what it would move /services/editions"
    for first in (1, 0):
        assert tell_of_editions(by=SYSTEM) == first
        assert told(cast.mel, cast.pat, cast.sam) == [[news], [], []], "Sam may not confirm it, Pat has no such job"
    new_law("2028-01")
    cast.acme.manager_id = None
    assert tell_of_editions(by=SYSTEM) == 1
    assert [len(each) for each in told(cast.mel, cast.pat, cast.sam)] == [2, 1, 0], "where none may: all who do"


def test_nobody_is_told_of_a_newer_edition_that_touches_no_job(firm: Firm, new_law: Any) -> None:
    for job in (firm.acme, firm.rival):
        cancel_job(job, because="Gone", by=SYSTEM)
    new_law()
    pause_series(firm.series, by=SYSTEM)
    assert tell_of_editions(by=SYSTEM) == 1, "what is paused goes on one day"
    new_law("2028-01")
    end_series(firm.series, by=SYSTEM)
    assert tell_of_editions(by=SYSTEM) == 0
    firm.make(firm.cast.acme)
    assert tell_of_editions(by=SYSTEM) == 1, "once a job counts by an older one"


def test_a_draft_that_somebody_edits_takes_the_edition_along_and_stays_a_draft(
    firm: Firm, new_law: Any, client: FlaskClient
) -> None:
    new_law()
    draft = draft_next_version(firm.service, by=SYSTEM)
    before = latest_published(firm.service.id)
    run = firm.confirm(firm.acme, firm.rival)
    assert latest_published(firm.service.id) == before
    assert told_of(run) == "1 service has a draft: once it is published, jobs to come follow."
    (renewal,) = list_renewals(seen_by=SYSTEM)
    assert renewal.services[0].in_draft and not renewal.jobs
    page = sign_in(client, firm.cast.mel).get("/services/editions").text
    assert "has the newer edition: publish it" in page and "Confirm edition" not in page
    publish_template(firm.session.get_one(JobTemplate, draft.id), by=SYSTEM)
    assert list_renewals(seen_by=SYSTEM) == []


def test_nobody_sees_or_moves_what_a_wall_hides_and_who_may_not_confirms_nothing(
    firm: Firm, new_law: Any, client: FlaskClient
) -> None:
    new_law()
    cast = firm.cast
    keep(Wall(person_id=cast.mel.id, client_id=cast.rival.id, reason="Family", created_at=now()))
    assert "Rival" not in sign_in(client, cast.mel).get("/services/editions").text
    firm.confirm(firm.acme, firm.rival)
    assert firm.dates(firm.rival)[0] == BY_LAW and firm.dates(firm.acme)[0] == BY_NEW_LAW
    for command in (
        lambda: confirm_edition(new_id(), "UK-VAT", services=set(), jobs=set(), seen="", by=cast.actor(cast.sam)),
        lambda: adopt_in_service(firm.session.get_one(Service, firm.service.id), "UK-VAT", by=cast.actor(cast.sam)),
        lambda: adopt_edition(firm.rival, "UK-VAT", [], by=cast.actor(cast.mel)),
    ):
        with pytest.raises(NotAllowed):
            command()
    sam = sign_in(client, cast.sam)
    assert sam.post("/services/editions", data={"id": str(new_id()), "rule": "UK-VAT"}).status_code == 403


def test_confirming_from_the_page_starts_the_run(firm: Firm, new_law: Any, client: FlaskClient) -> None:
    new_law()
    mel = sign_in(client, firm.cast.mel)
    page = mel.get("/services/editions").text
    form = {name: page.split(f'name="{name}" value="')[1].split('"')[0] for name in ("id", "rule", "seen")}
    answer = mel.post("/services/editions", data={**form, "jobs": str(firm.acme.id)})
    assert answer.location == f"/runs/{form['id']}"
    assert "the law as of 2027-04" in mel.get(answer.location).text
    assert mel.post("/services/editions", data={**form, "id": str(new_id()), "seen": "x"}).status_code == 422
    assert mel.post("/services/editions", data={**form, "id": str(new_id()), "rule": "NONE"}).status_code == 422
