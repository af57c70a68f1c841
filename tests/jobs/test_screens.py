"""My work, the board, the job page and the panel of a step, as a browser asks for them."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.catalogue.models import StepKind
from app.core.clock import today
from app.core.db import db
from app.jobs.commands.plan import plan_stale_jobs
from app.jobs.models import TaskState
from app.jobs.queries.work import Tab, count_work, list_work
from tests.jobs.make_jobs import make_chain, make_job, make_service, make_task, settle
from tests.make import sign_in

HTMX = {"HX-Request": "true"}


@pytest.fixture
def sam(client: FlaskClient, cast: Any) -> FlaskClient:
    return sign_in(client, cast.sam)


def day(offset: int) -> dt.date:
    return today() + dt.timedelta(days=offset)


def test_my_work_is_in_the_order_that_it_prints(cast: Any) -> None:
    job = make_job(cast.acme_work)
    mine = {"assignee_id": cast.sam.id}
    make_task(job, "Far", due_on=day(9), **mine)
    make_task(job, "Urgent", due_on=day(9), priority=2, **mine)
    make_task(job, "Late", due_on=day(-2), **mine)
    make_task(job, "Start now", due_on=day(20), latest_start_on=today(), **mine)
    held_up = make_task(job, "Others wait", due_on=day(9), **mine)
    make_task(job, "Waits", after=(held_up,))
    make_task(job, "Some day", due_on=None, **mine)
    settle(job)
    rows, more = list_work(Tab.TODAY, of=cast.sam.id, seen_by=cast.actor(cast.sam))
    assert [row.name for row in rows] == ["Late", "Start now", "Urgent", "Others wait", "Far", "Some day"]
    assert [row.group for row in rows] == ["late", "today", "next", "next", "next", "next"]
    assert not more
    for group in ("late", "today", "next"):
        own = [row.order for row in rows if row.group == group]
        assert own == sorted(own)
    assert rows[0].why.startswith("was due 2 days ago")
    assert rows[3].why.endswith("1 step waits for it")


def test_what_is_blocked_asked_or_put_off_stands_under_waiting(cast: Any) -> None:
    job = make_job(cast.acme_work)
    mine = {"assignee_id": cast.sam.id}
    first = make_task(job, "Mel's", assignee_id=cast.mel.id)
    make_task(job, "After Mel's", after=(first,), **mine)
    make_task(job, "Put off", snoozed_until=day(3), **mine)
    make_task(job, "Asked", waits_for_client=True, **mine)
    settle(job)
    seen_by = cast.actor(cast.sam)
    rows, _ = list_work(Tab.WAITING, of=cast.sam.id, seen_by=seen_by)
    assert [(row.name, row.group) for row in rows] == [
        ("Asked", "client"), ("After Mel's", "colleagues"), ("Put off", "put_off"),
    ]
    assert rows[1].waits_for == "“Mel's” (Mel)"
    assert count_work(of=cast.sam.id, seen_by=seen_by) == {Tab.TODAY: 0, Tab.WEEK: 0, Tab.WAITING: 3}


def test_my_work_hides_what_a_wall_hides(cast: Any) -> None:
    make_chain(make_job(cast.rival_work), "Secret", assignee_id=cast.wes.id)
    assert list_work(Tab.TODAY, of=cast.wes.id, seen_by=cast.actor(cast.wes)) == ([], False)


def test_a_row_is_finished_in_place(sam: FlaskClient, cast: Any) -> None:
    job = make_job(cast.acme_work)
    bank, vat = make_chain(job, "Reconcile bank", "Prepare VAT", assignee_id=cast.sam.id)
    page = sam.get("/work")
    assert page.status_code == 200 and "Reconcile bank" in page.text and "Prepare VAT" not in page.text
    done = sam.post(f"/tasks/{bank.id}/completion", data={"view": "work"}, headers=HTMX)
    assert done.status_code == 200 and f"#task-{bank.id}" == done.headers["HX-Retarget"]
    assert "Now ready: “Prepare VAT”" in done.headers["HX-Trigger"].encode().decode("unicode_escape")
    db.session.refresh(vat)
    assert vat.state is TaskState.READY
    assert "Prepare VAT" in sam.get("/work").text
    plain = sam.post(f"/tasks/{vat.id}/completion")
    assert plain.status_code == 303 and plain.location.endswith(f"/jobs/{job.id}")


def test_my_work_asks_a_fixed_number_of_questions(sam: FlaskClient, cast: Any, max_queries: Any) -> None:
    job = make_job(cast.acme_work)
    for number in range(60):
        make_task(job, f"Step {number}", assignee_id=cast.sam.id)
    settle(job)
    sam.get("/work")
    with max_queries(9):
        page = sam.get("/work")
    assert page.text.count("data-row") == 40 and "page=2" in page.text
    assert len(page.data) < 60_000


def test_the_job_page_shows_steps_by_stage_and_draws_their_order(sam: FlaskClient, cast: Any, max_queries: Any) -> None:
    service = make_service()
    db.session.refresh(service, ["stages"])
    job = make_job(cast.acme_work, service_id=service.id, stage_id=service.stages[0].id)
    names = [f"Step number {number}" for number in range(50)]
    make_chain(job, *names, stage_id=service.stages[0].id, estimate=dt.timedelta(hours=1))
    plan_stale_jobs()
    sam.get(f"/jobs/{job.id}")
    with max_queries(12):
        page = sam.get(f"/jobs/{job.id}")
    assert page.status_code == 200 and f'data-live="job:{job.id}"' in page.text and len(page.data) < 60_000
    for section in ("requests", "documents", "time", "wip", "comments", "timeline"):
        assert sam.get(f"/jobs/{job.id}?section={section}").status_code in (200, 403), section
    assert sam.get(f"/jobs/{job.id}?section=unknown").status_code == 404
    drawn = sam.get(f"/jobs/{job.id}/graph", headers=HTMX)
    assert drawn.text.count('<g class="node') == 50 and "critical path" in drawn.text and len(drawn.data) < 60_000


def test_another_persons_wall_answers_like_an_unknown_job(client: FlaskClient, cast: Any) -> None:
    job = make_job(cast.rival_work)
    (task,) = make_chain(job, "Secret")
    wes = sign_in(client, cast.wes)
    for url in (f"/jobs/{job.id}", f"/tasks/{task.id}", f"/jobs/{job.id}/card", f"/tasks/{task.id}/edit"):
        assert wes.get(url).status_code == 404
    assert wes.post(f"/tasks/{task.id}/completion").status_code == 404
    for view in ("stage", "week", "owner", "table"):
        assert "Secret" not in wes.get(f"/board?view={view}").text
        assert job.title not in wes.get(f"/board?view={view}").text


def test_the_panel_answers_alone_or_as_a_page(sam: FlaskClient, cast: Any) -> None:
    (task,) = make_chain(make_job(cast.acme_work), "Reconcile bank", instructions="Use the November file.")
    alone = sam.get(f"/tasks/{task.id}", headers=HTMX).text
    assert "Use the November file." in alone and "<html" not in alone
    assert "<html" in sam.get(f"/tasks/{task.id}").text


def test_a_review_is_sent_back_from_the_screen(sam: FlaskClient, cast: Any) -> None:
    job = make_job(cast.acme_work)
    work = make_task(job, "Prepare", assignee_id=cast.mel.id)
    review = make_task(job, "Review", after=(work,), kind=StepKind.REVIEW, assignee_id=cast.sam.id)
    settle(job)
    sam.post(f"/tasks/{work.id}/completion")
    assert sam.post(f"/tasks/{review.id}/return", data={"note": ""}).status_code == 422
    assert sam.post(f"/tasks/{review.id}/return", data={"note": "Off by ten"}).status_code == 303
    db.session.refresh(work)
    assert (work.state, work.return_note) == (TaskState.READY, "Off by ten")


def test_reopening_asks_first_when_later_steps_were_started(sam: FlaskClient, cast: Any) -> None:
    first, second = make_chain(make_job(cast.acme_work), "First", "Second")
    sam.post(f"/tasks/{first.id}/completion")
    sam.post(f"/tasks/{second.id}/start")
    asked = sam.post(f"/tasks/{first.id}/reopening", headers=HTMX)
    assert "What becomes of them?" in asked.text and asked.headers["HX-Retarget"] == "#dialog"
    sam.post(f"/tasks/{first.id}/reopening", data={"later": "reset"})
    db.session.refresh(second)
    assert second.state is TaskState.BLOCKED


def test_a_new_job_made_twice_is_one(sam: FlaskClient, cast: Any) -> None:
    page = sam.get(f"/jobs/new?client={cast.acme.id}")
    assert "Acme Ltd" in page.text
    form = {"id": "0197a000-0000-7000-8000-000000000001", "client": str(cast.acme.id), "title": "Tax advice"}
    for _ in range(2):
        assert sam.post("/jobs/new", data=form).status_code == 303
    refused = sam.post("/jobs/new", data={**form, "id": "0197a000-0000-7000-8000-000000000002", "title": ""})
    assert refused.status_code == 422 and "Give the job a title." in refused.text
    step = {"id": "0197a000-0000-7000-8000-000000000003", "name": "Call them", "kind": "work", "stage": ""}
    for _ in range(2):
        assert sam.post(f"/jobs/{form['id']}/tasks/new", data=step).status_code == 303
    assert sam.get(f"/jobs/{form['id']}").text.count(">Call them</a>") == 1


def test_a_column_is_cut_and_its_rest_comes_on_demand(sam: FlaskClient, cast: Any, max_queries: Any) -> None:
    service = make_service()
    db.session.refresh(service, ["stages"])
    first, second, _ = service.stages
    for number in range(30):
        make_job(cast.acme_work, f"Job {number:02d}", service_id=service.id, stage_id=first.id, due_on=day(number))
    make_job(cast.acme_work, "Further", service_id=service.id, stage_id=second.id)
    sam.get("/board")
    with max_queries(11):
        page = sam.get("/board")
    assert page.text.count("<li class=\"board-card\"") == 14 and "17 more" in page.text and len(page.data) < 60_000
    address = re.search(r'hx-get="([^"]*offset=13[^"]*)"', page.text)
    assert address is not None
    rest = sam.get(address[1].replace("&amp;", "&"), headers=HTMX)
    assert rest.text.count("<li class=\"board-card\"") == 17 and "Job 29" in rest.text
    column = re.search(r'data-live="stage:[^"]*" hx-get="([^"]*)"', page.text)
    assert column and "Job 00" in sam.get(column[1].replace("&amp;", "&"), headers=HTMX).text


def test_a_card_goes_to_another_stage_and_is_told_there(sam: FlaskClient, cast: Any) -> None:
    service, other = make_service(), make_service("Payroll")
    db.session.refresh(service, ["stages"])
    db.session.refresh(other, ["stages"])
    job = make_job(cast.acme_work, service_id=service.id, stage_id=service.stages[0].id)
    assert "Review" in sam.get(f"/jobs/{job.id}/stage", headers=HTMX).text
    drag = {"X-Requested-With": "drag"}
    moved = sam.post(f"/jobs/{job.id}/stage", data={"stage": service.stages[1].id}, headers=drag)
    assert moved.status_code == 204
    db.session.refresh(job)
    assert job.stage_id == service.stages[1].id
    make_task(job, "Bank")
    last, drag["Accept"] = {"stage": service.stages[2].id}, "application/json"
    refused = sam.post(f"/jobs/{job.id}/stage", data=last, headers=drag)
    assert refused.status_code == 422 and "Still to do: “Bank”." in refused.json["message"]
    asked = sam.get(f"/jobs/{job.id}/stage", headers=HTMX).text
    assert "Still to do: “Bank”." in asked and f'value="{last["stage"]}"' not in asked
    wrong = sam.post(f"/jobs/{job.id}/stage", data={"stage": other.stages[0].id})
    assert wrong.status_code == 422 and "another service" in wrong.text


def test_the_table_filters_sorts_and_goes_into_a_file(client: FlaskClient, cast: Any) -> None:
    make_job(cast.acme_work, "Bravo", due_on=day(2), owner_id=cast.sam.id)
    make_job(cast.acme_work, "Alpha", due_on=day(1), at_risk_because="“Review” should have started")
    make_job(cast.rival_work, "=cmd", due_on=day(3))
    mel = sign_in(client, cast.mel)
    page = mel.get("/board?view=table&sort=job").text
    assert page.index("Alpha") < page.index("Bravo")
    assert "Alpha" in (risky := mel.get("/board?view=table&mark=at_risk").text) and "Bravo" not in risky
    assert "Bravo" in (own := mel.get(f"/board?view=table&owner={cast.sam.id}").text) and "Alpha" not in own
    assert "=cmd" in (found := mel.get("/board?view=table&q=RIVAL").text) and "Bravo" not in found
    file = mel.get("/board.csv?sort=-due").text
    assert "Alpha" in file and "\n=cmd" not in file and ",=cmd" not in file
    assert sign_in(client, cast.sam).get("/board.csv").status_code == 403
    for view in ("week", "owner"):
        assert "Bravo" in mel.get(f"/board?view={view}").text


def test_what_nobody_has_is_seen_by_all_but_those_behind_a_wall(client: FlaskClient, cast: Any) -> None:
    make_chain(make_job(cast.acme_work), "For anyone")
    make_chain(make_job(cast.rival_work), "Secret")
    assert "Secret" in (pages := sign_in(client, cast.sam).get("/work?tab=nobody").text) and "For anyone" in pages
    assert "Secret" not in (pages := sign_in(client, cast.wes).get("/work?tab=nobody").text) and "For anyone" in pages


def test_the_file_of_steps_has_who_has_them(client: FlaskClient, cast: Any) -> None:
    make_chain(make_job(cast.acme_work), "Reconcile bank", assignee_id=cast.sam.id, estimate=dt.timedelta(minutes=90))
    assert sign_in(client, cast.sam).get("/work.csv").status_code == 403
    lines = sign_in(client, cast.mel).get("/work.csv").text.splitlines()
    assert lines[1].startswith("Reconcile bank,ready to start,Nov bookkeeping,Acme Ltd,Sam,") and ",1.5," in lines[1]
