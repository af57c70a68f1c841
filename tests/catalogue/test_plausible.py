"""Dates of a template that make no sense together are said in its editor; the library has none."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

import pytest
from flask.testing import FlaskClient

from app.catalogue.blueprints import Blueprint, blueprint_of, dates_of
from app.catalogue.commands import RequestValues, draft_next_version, edit_step, edit_template, save_request
from app.catalogue.commands.library import install_library_service
from app.catalogue.commands.steps import StepValues
from app.catalogue.due_rules import DueRule, days, years
from app.catalogue.library import SERVICES
from app.catalogue.models import Cadence, JobTemplate
from app.catalogue.plausible import doubts, sample_of
from app.catalogue.queries import get_blueprint, get_template, latest_published
from app.core.actors import SYSTEM
from app.core.errors import Refused
from app.core.ids import new_id
from app.firm.calendars import calendar_for
from tests.make import Cast, sign_in
from tests.planning.make_planning import make_service

MONTHLY = Cadence.MONTH


def draft(**values: object) -> JobTemplate:
    service, _template = make_service(**values)  # type: ignore[arg-type]
    return draft_next_version(service, by=SYSTEM)


def said(template: JobTemplate) -> str:
    return " ".join(doubts(blueprint_of(get_template(template.id, seen_by=SYSTEM)), MONTHLY))


def due(template: JobTemplate, rule: DueRule | None, start: DueRule | None = None) -> None:
    edit_template(
        template, title_pattern="{client}", due_rule=rule, start_rule=start, priority=0, fee=None, by=SYSTEM
    )


@pytest.mark.parametrize("code", [service.code for service in SERVICES])
def test_no_ready_service_has_dates_that_make_no_sense(code: str, cast: Cast) -> None:
    service = install_library_service(code, by=SYSTEM)
    blueprint = get_blueprint(latest_published(service.id))  # type: ignore[arg-type]
    assert doubts(blueprint, Cadence(service.cadence)) == []


def test_the_ready_payroll_starts_and_is_asked_for_before_it_is_due(cast: Cast) -> None:
    service = install_library_service("UK-PAYROLL", by=SYSTEM)
    blueprint = get_blueprint(latest_published(service.id))  # type: ignore[arg-type]
    calendar = calendar_for("GB-ENG")
    anchors = sample_of(blueprint, MONTHLY, dt.date(2026, 11, 30), calendar)
    dates = dates_of(blueprint, anchors, calendar)
    (asked,) = dates.asked.values()
    assert anchors["job_start"] == asked == dt.date(2026, 11, 10) and dates.due_on == dt.date(2026, 11, 30)


def test_a_sound_template_raises_no_doubt(cast: Cast) -> None:
    assert said(draft(request=False)) == ""


def test_a_job_due_before_it_starts_is_said(cast: Cast) -> None:
    template = draft()
    due(template, DueRule("period_end", (days(-3),)))
    assert "The job is due 4 days before it starts." in said(template)
    due(template, DueRule("period_end", (days(-3),)), DueRule("period_end", (days(-20),)))
    assert "before it starts" not in said(template)


def test_a_step_due_years_away_and_one_due_before_the_job_starts_are_said(cast: Cast) -> None:
    template = draft(request=False)
    stage = template_stage(template)
    edit_step(template, "collect", StepValues("Collect", stage, due_rule=DueRule("period_end", (years(4),))), by=SYSTEM)
    assert "“Collect” is due years after the job starts." in said(template)
    edit_step(template, "collect", StepValues("Collect", stage, due_rule=DueRule("period_start")), by=SYSTEM)
    assert "“Collect” is due 31 days before the job starts." in said(template)


def template_stage(template: JobTemplate) -> UUID:
    return get_template(template.id, seen_by=SYSTEM).steps[0].stage_id


def test_a_request_wanted_before_it_is_asked_or_after_its_step_is_due_is_said(cast: Cast) -> None:
    template = draft(request=False)
    items = ({"kind": "upload", "label": "Statements"},)
    one, other = new_id(), new_id()
    save_request(template, one, RequestValues(
        "Early", due_rule=DueRule("period_end"), send_rule=DueRule("period_end", (days(2),)), items=items
    ), by=SYSTEM)
    save_request(template, other, RequestValues(
        "Late", step_key="collect", due_rule=DueRule("period_end", (days(25),)), items=items
    ), by=SYSTEM)
    told = said(template)
    assert "“Early” is wanted 2 days before the client is asked for it." in told
    assert "“Late” is wanted" in told and "after “Collect”, which waits for it, is due." in told


def test_a_template_without_any_due_date_is_said(cast: Cast) -> None:
    bare = Blueprint(new_id(), new_id(), 1, "{client}", None, 0, None, None, (), (), (), ())
    assert "Such a job is never late." in " ".join(doubts(bare, MONTHLY))


def test_a_job_starts_by_its_period_and_by_nothing_else(cast: Cast) -> None:
    with pytest.raises(Refused, match="starts by its period"):
        due(draft(), None, DueRule("job_due"))


def test_the_editor_shows_it(cast: Cast, client: FlaskClient) -> None:
    sign_in(client, cast.mel)
    template = draft()
    due(template, DueRule("period_end", (days(-3),)))
    page = client.get(f"/templates/{template.id}")
    assert "Worth a second look" in page.text and "The job is due 4 days before it starts." in page.text
    assert client.get(f"/templates/{template.id}?open=details").status_code == 200
