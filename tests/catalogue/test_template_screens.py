"""A manager sets up a service on its screens, with plain forms."""

from __future__ import annotations

import datetime as dt
import re
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.catalogue.commands import RequestValues, publish_template, save_request
from app.catalogue.due_rules import DueRule, days
from app.catalogue.models import (
    JobTemplate,
    Service,
    TemplateDeadline,
    TemplateDependency,
    TemplateRequest,
    TemplateState,
    TemplateStep,
)
from app.catalogue.queries import get_blueprint
from app.core.actors import SYSTEM
from app.core.ids import new_id
from app.jobs.commands.dates import preview
from app.jobs.dates import AnchorsMoved
from app.jobs.models import Job, Task
from app.jobs.queries.dates import digest_of_moves, named_anchors
from app.planning.commands.create import create_planned_job
from app.planning.facts import client_facts, staffing
from app.planning.periods import PeriodKind, PeriodPattern
from app.planning.plans import Wish, plan_job
from app.requests.models import ClientRequest
from tests.make import Cast, sign_in
from tests.planning.make_planning import make_service


@pytest.fixture
def mel(client: FlaskClient, cast: Cast, session: Session) -> FlaskClient:
    return sign_in(client, cast.mel)


def token(page: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found, page[:500]
    return found[1]


def post(client: FlaskClient, url: str, data: dict[str, object], **headers: str):  # type: ignore[no-untyped-def]
    page = client.get("/services/new").text
    return client.post(url, data={"csrf_token": token(page), **data}, headers=headers)


def start(client: FlaskClient, session: Session, name: str = "Tax return") -> UUID:
    answer = post(client, "/services", {"id": str(new_id()), "name": name, "cadence": "year"})
    assert answer.status_code == 303, answer.text
    return UUID(answer.location.rsplit("/", 1)[1])


def add(client: FlaskClient, session: Session, template: UUID, name: str, **values: object) -> None:
    stage = session.scalar(
        sa.text(
            "SELECT s.id FROM stage s JOIN job_template t USING (service_id) WHERE t.id = :id ORDER BY s.position"
        ),
        {"id": template},
    )
    data = {
        "id": str(new_id()),
        "name": name,
        "stage_id": str(stage),
        "work_role": "preparer",
        "kind": "work",
        **values,
    }
    answer = post(client, f"/templates/{template}/steps", data)
    assert answer.status_code == 303, answer.text


def test_six_steps_two_dependencies_and_a_request_are_set_up_and_published(mel: FlaskClient, session: Session) -> None:
    template = start(mel, session)
    for name in ("Ask", "Prepare", "Compute", "Check", "Send", "File"):
        add(mel, session, template, name, estimate="1:30")
    for key, before in (("prepare", "ask"), ("check", "compute")):
        page = mel.get(f"/templates/{template}?open=step:{key}").text
        form = form_values(page)
        form |= {"after-on": before, "after-kind": "hard", "after-lag": "2"}
        form |= {"due_rule-anchor": "period_end", "due_rule-do": "working_days", "due_rule-n": "10"}
        assert post(mel, f"/templates/{template}/steps/{key}", form).status_code == 303
    answer = post(
        mel,
        f"/templates/{template}/requests",
        {
            "id": str(new_id()),
            "name": "Papers",
            "step_key": "ask",
            "items-code": ["", ""],
            "items-label": ["Bank statements", "How many staff?"],
            "items-kind": ["upload", "number"],
            "items-required": ["yes", "no"],
            "items-help": ["", ""],
            "items-options": ["", ""],
        },
    )
    assert answer.status_code == 303, answer.text
    assert post(mel, f"/templates/{template}/publication", {}).status_code == 303
    assert session.scalar(sa.select(JobTemplate.state).where(JobTemplate.id == template)) is TemplateState.PUBLISHED
    lags = session.execute(
        sa.select(TemplateDependency.step_key, TemplateDependency.on_key, TemplateDependency.lag_days)
    )
    assert sorted(map(tuple, lags)) == [("check", "compute", 2), ("prepare", "ask", 2)]
    assert [item["required"] for item in session.scalars(sa.select(TemplateRequest.items)).one()] == [True, False]
    assert "10 working days after period end" in mel.get(f"/templates/{template}").text


def form_values(page: str) -> dict[str, object]:
    """What a browser would send of the open part, its texts and chosen options."""
    part = page[page.index('id="part"') :]
    part = part[: part.index("</form>")]
    ticks = re.compile(r'<input type="checkbox"(?![^>]* checked)[^>]*>')
    values: dict[str, object] = dict(
        re.findall(r'<input[^>]* name="([^"]+)"[^>]* value="([^"]*)"', ticks.sub("", part))
    )
    for name, body in re.findall(r'<select[^>]* name="([^"]+)"[^>]*>(.*?)</select>', part, re.S):
        chosen = re.search(r'<option[^>]*selected[^>]* value="([^"]*)"|<option value="([^"]*)" selected', body)
        values[name] = (chosen[1] or chosen[2]) if chosen else ""
    return values


def test_a_circle_is_refused_with_its_path_and_what_was_typed_stays(mel: FlaskClient, session: Session) -> None:
    template = start(mel, session)
    add(mel, session, template, "Prepare")
    add(mel, session, template, "Check", follows="prepare")
    form = form_values(mel.get(f"/templates/{template}?open=step:prepare").text)
    answer = post(mel, f"/templates/{template}/steps/prepare", {**form, "name": "Prepare it all", "after-on": "check"})
    assert answer.status_code == 422
    assert "Prepare it all → Check → Prepare it all" in answer.text and 'value="Prepare it all"' in answer.text


def test_a_rule_under_edit_is_told_in_words_with_a_date(mel: FlaskClient, session: Session) -> None:
    template = start(mel, session)
    answer = mel.get(
        f"/templates/{template}/due-rule?field=due_rule&end=2026-12-31&due_rule-anchor=period_end"
        "&due_rule-n=3&due_rule-do=months&due_rule-n=15&due_rule-do=day&due_rule-roll=next"
    ).text
    assert "15th of the 3rd month after period end, rolled to the next working day" in answer
    assert 'datetime="2027-03-15"' in answer


def test_a_bad_rule_keeps_its_lines_and_says_what_is_wrong(mel: FlaskClient, session: Session) -> None:
    template = start(mel, session)
    add(mel, session, template, "Prepare")
    form = form_values(mel.get(f"/templates/{template}?open=step:prepare").text)
    answer = post(
        mel,
        f"/templates/{template}/steps/prepare",
        {
            **form,
            "due_rule-anchor": "period_end",
            "due_rule-do": "day",
            "due_rule-n": "42",
        },
    )
    assert answer.status_code == 422 and "lies between 1 and 31" in answer.text and 'value="42"' in answer.text


def test_what_is_not_sound_is_not_published_and_the_page_says_why(mel: FlaskClient, session: Session) -> None:
    template = start(mel, session)
    answer = post(mel, f"/templates/{template}/publication", {})
    assert answer.status_code == 422 and "Add at least one step." in answer.text


def test_a_published_version_is_read_only_and_edited_as_the_next(mel: FlaskClient, session: Session) -> None:
    service, template = make_service()
    page = mel.get(f"/templates/{template.id}").text
    assert "Edit as next version" in page and "Add step" not in page
    assert post(mel, f"/templates/{template.id}/steps/collect/removal", {}).status_code == 422
    answer = post(mel, f"/services/{service.id}/draft", {})
    draft = UUID(answer.location.rsplit("/", 1)[1])
    assert session.scalar(sa.select(JobTemplate.number).where(JobTemplate.id == draft)) == 2
    steps = sa.select(TemplateStep.key).order_by(TemplateStep.position)
    assert session.scalars(steps.where(TemplateStep.template_id == draft)).all() == ["collect", "post", "review"]


def test_htmx_gets_the_region_alone(mel: FlaskClient, session: Session) -> None:
    template = start(mel, session)
    answer = post(mel, f"/templates/{template}/publication", {}, **{"HX-Request": "true"})
    assert answer.status_code == 422 and answer.text.lstrip().startswith('<div class="stack" id="template">')


def test_pressing_create_twice_makes_one_service(mel: FlaskClient, session: Session) -> None:
    data = {"id": str(new_id()), "name": "Payroll", "cadence": "month"}
    assert post(mel, "/services", data).status_code == post(mel, "/services", data).status_code == 303
    assert session.scalar(sa.select(sa.func.count()).select_from(Service)) == 1


def test_every_page_of_the_room_opens(mel: FlaskClient, session: Session) -> None:
    service, template = make_service()
    for url in (
        "/services",
        "/services?show=archived",
        "/services/library",
        "/services/new",
        f"/services/{service.id}",
        f"/services/{service.id}/edit",
        f"/templates/{template.id}",
        f"/services/{service.id}?stage={service.stages[0].id}",
    ):
        assert mel.get(url).status_code == 200, url
    draft = post(mel, f"/services/{service.id}/draft", {}).location
    for part in ("details", "step:post", "request:new", "deadline:new", "step:gone", "nonsense"):
        assert mel.get(f"{draft}?open={part}").status_code == 200, part


def test_the_step_that_meets_a_deadline_is_chosen_on_the_page(mel: FlaskClient, session: Session) -> None:
    _service, template = make_service(publish=False)
    url, deadline = f"/templates/{template.id}", session.scalars(sa.select(TemplateDeadline)).one()
    assert "met by the last required step" in mel.get(url).text
    form = mel.get(f"{url}?open=deadline:{deadline.id}").text
    assert '<option value="review">Review</option>' in form
    data = {"rule": deadline.rule, "trigger-anchor": "period_end", "version": str(template.version)}
    assert post(mel, f"{url}/deadlines", {**data, "met_by": "post"}).status_code == 303
    assert "met by “Post”" in mel.get(url).text
    stale = post(mel, f"{url}/deadlines", {**data, "met_by": "review"})
    assert stale.status_code in (409, 422) and "met by “Review”" not in mel.get(url).text
    assert '<option selected value="post">Post</option>' in mel.get(f"{url}?open=deadline:{deadline.id}").text


def test_a_firm_names_a_date_of_its_own_that_each_job_says(mel: FlaskClient, cast: Cast, session: Session) -> None:
    service, template = make_service(publish=False)
    url = f"/templates/{template.id}"
    data = form_values(mel.get(f"{url}?open=step:post").text) | {"due_rule-anchor": "named:", "due_rule-do": "days",
                                                                 "due_rule-n": "-3"}
    for typed, said in (("", "Name the date that each job says"), ("x" * 90, "at most 40 characters")):
        refused = post(mel, f"{url}/steps/post", {**data, "due_rule-own": typed})
        assert refused.status_code == 422 and said in refused.text
    assert post(mel, f"{url}/steps/post", {**data, "due_rule-own": " Board \x00 Meeting "}).status_code == 303
    assert "3 days before board meeting" in mel.get(url).text
    assert '<option value="named:board meeting" selected>' in mel.get(f"{url}?open=step:post").text
    for part in ("request:new", "deadline:new", "details", "step:review"):
        assert '<option value="named:board meeting">' in mel.get(f"{url}?open={part}").text, part
    request = session.scalars(sa.select(TemplateRequest)).one()
    save_request(template, request.id, RequestValues(
        "Agenda", step_key="collect", items=tuple(request.items), due_rule=DueRule("named:court visit", (days(-1),)),
    ), by=SYSTEM)
    publish_template(template, by=SYSTEM)
    facts = client_facts([cast.acme.id], service.id, seen_by=SYSTEM)[cast.acme.id]
    wish = Wish(PeriodPattern(PeriodKind.MONTH), dt.date(2026, 10, 15))
    planned = plan_job(facts, get_blueprint(template.id), service.name, wish, staffing(), origin="test")
    job = session.get_one(Job, create_planned_job(planned, by=SYSTEM)[0])
    assert named_anchors(job) == ["board meeting", "court visit"]
    for name in named_anchors(job):
        on = {"name": name, "on": "2026-11-20", "version": str(job.version), "dates": "apply"}
        moves = preview(job, AnchorsMoved({f"named:{name}": dt.date(2026, 11, 20)}))
        answer = post(mel, f"/jobs/{job.id}/named-dates", {**on, "seen": digest_of_moves(moves)})
        assert answer.status_code == 303, answer.text
        session.expire_all()
    posted = session.scalars(sa.select(Task).where(Task.step_key == "post")).one()
    assert posted.due_on == dt.date(2026, 11, 17)
    assert session.scalars(sa.select(ClientRequest.due_on)).one() == dt.date(2026, 11, 19)


def test_a_preparer_sees_services_but_cannot_change_them(client: FlaskClient, cast: Cast, session: Session) -> None:
    service, _template = make_service()
    sam = sign_in(client, cast.sam)
    assert sam.get(f"/services/{service.id}").status_code == 200
    assert sam.get("/services/new").status_code == 403
    assert "Apply to clients" not in sam.get("/services").text


def test_nonsense_in_the_address_gets_an_ordinary_answer(mel: FlaskClient, session: Session) -> None:
    template = start(mel, session)
    for query in ("end=9999-12-31&start=9999-12-31", "end=0001-01-01", "end=soon", "open=step:%00"):
        assert mel.get(f"/templates/{template}?{query}").status_code == 200, query
    rule = "due_rule-anchor=step:%00&due_rule-do=days&due_rule-n=9"
    assert mel.get(f"/templates/{template}/due-rule?{rule}").status_code == 200
    assert post(mel, f"/templates/{template}/steps/%00/removal", {}).status_code == 404
    assert post(mel, f"/templates/{template}/deadlines", {"rule": "no such " * 40}).status_code == 422
