"""The screens of time over HTTP."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from app.core import clock, live
from app.core.clock import now, today
from app.core.db import db
from app.core.ids import new_id
from app.documents.models import Document
from app.timekeeping.commands.timers import Target, start_timer
from app.timekeeping.models import Expense, Rate, TimeEntry, Timer
from tests.jobs.make_jobs import make_job, make_task
from tests.make import Cast, count, sign_in
from tests.timekeeping.make_time import make_entry, make_rate, wip_of

HTMX = {"HX-Request": "true"}


def typed(cast: Cast, **changes: Any) -> dict[str, Any]:
    """What the row that adds an entry sends."""
    return {
        "id": new_id(),
        "worked_on": today(),
        "work": f"engagement:{cast.acme_work.id}",
        "recorded": "1h 15m",
        "narrative": "Called the bank",
        "billable": "y",
    } | changes


@pytest.fixture
def sam(cast: Cast, client: FlaskClient) -> FlaskClient:
    return sign_in(client, cast.sam)


def test_time_is_added_in_any_accepted_spelling_and_once_however_often_it_is_sent(cast: Cast, sam: FlaskClient) -> None:
    sent = typed(cast)
    for _ in range(2):
        answer = sam.post("/time", data=sent)
        assert answer.status_code == 303
    for spelling in ("1:15", "1.25", "1,25", "75m", "01:15:00"):
        sam.post("/time", data=typed(cast, recorded=spelling), headers=HTMX)
    entries = db.session.scalars(sa.select(TimeEntry)).all()
    assert [entry.recorded for entry in entries] == [dt.timedelta(hours=1, minutes=15)] * 6
    page = sam.get(answer.location).text
    assert "Called the bank" in page and "Acme Ltd" in page


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"recorded": "soon"}, "not a duration"),
        ({"recorded": "45"}, "write 45m"),
        ({"worked_on": "2090-01-01"}, "not before"),
        ({"worked_on": "nonsense"}, "Give a date"),
        ({"work": "", "work_text": "No such job"}, "Nothing is called"),
        ({"work": "task:zzz"}, "Say what you worked on"),
    ],
)
def test_what_cannot_be_kept_is_said_and_what_was_typed_stays(
    cast: Cast, sam: FlaskClient, changes: dict[str, str], said: str
) -> None:
    for headers in ({}, HTMX):
        answer = sam.post("/time", data=typed(cast, **changes), headers=headers)
        assert answer.status_code == 422 and said in answer.text
        assert "Called the bank" in answer.text
    assert count(TimeEntry) == 0


def test_the_row_for_the_next_entry_is_as_empty_as_the_pages_own_whatever_was_typed_into_the_one_before(
    cast: Cast, sam: FlaskClient
) -> None:
    def row(text: str) -> str:
        form = text[text.index('<form class="time-add"'):].partition("</form>")[0]
        return re.sub(r'(name="(id|csrf_token)" value)="[^"]*"', r"\1", form)

    page = row(sam.get("/time").text)
    refused = sam.post("/time", data=typed(cast, recorded="soon", billable=""), headers=HTMX).text
    assert "Called the bank" in refused and "not a duration" in refused
    for narrative in ("Called the bank", ""):
        answer = sam.post("/time", data=typed(cast, narrative=narrative), headers=HTMX)
        assert row(answer.text).replace(' data-focus=""', "") == page
    assert "Called the bank" not in page


def test_open_pages_are_told_once_whoever_recorded_the_time_has_their_answer(
    cast: Cast, sam: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(live, "_tell", lambda _store, topics: told.extend(topics))
    answer = sam.post("/time", data=typed(cast), headers=HTMX, buffered=False)
    assert answer.status_code == 200 and told == []
    answer.close()
    assert f"person:{cast.sam.id}" in told


def test_ten_megabytes_of_narrative_are_refused_with_the_text_still_there(cast: Cast, sam: FlaskClient) -> None:
    text = "Long. " * 1_700_000
    answer = sam.post("/time", data=typed(cast, narrative=text), headers=HTMX)
    assert answer.status_code == 422 and "at most 5,000 characters" in answer.text
    assert text.strip() in answer.text and count(TimeEntry) == 0


def test_without_script_work_is_named_by_its_number(cast: Cast, sam: FlaskClient) -> None:
    job = make_job(cast.acme_work, number="J-00077")
    assert sam.post("/time", data=typed(cast, work="", work_text="j-00077")).status_code == 303
    assert db.session.scalar(sa.select(TimeEntry.job_id)) == job.id


def test_the_timer_runs_from_one_click_and_becomes_one_entry(cast: Cast, sam: FlaskClient) -> None:
    make_rate("100")
    task = make_task(make_job(cast.acme_work), "Reconcile bank")
    sent = {"timer_id": new_id(), "task_id": task.id}
    for _ in range(2):
        answer = sam.post("/timers", data=sent, headers={"Referer": "http://localhost/work?tab=week"})
        assert (answer.status_code, answer.location) == (303, "/work?tab=week")
    timer = db.session.scalars(sa.select(Timer)).one()
    bar = sam.get("/timers/bar", headers=HTMX).text
    assert "Reconcile bank" in bar and "Acme Ltd" in bar
    assert sam.post(f"/timers/{timer.id}/note", data={"note": "Matched 40 lines"}, headers=HTMX).text == "Saved"
    for _ in range(2):
        assert sam.post(f"/timers/{timer.id}/stop", headers=HTMX).status_code == 200
    entry = db.session.scalars(sa.select(TimeEntry)).one()
    assert (entry.narrative, entry.task_id, count(Timer)) == ("Matched 40 lines", task.id, 0)


def test_a_timer_forgotten_overnight_asks_how_long_it_was(cast: Cast, sam: FlaskClient) -> None:
    with clock.travel_to((now() - dt.timedelta(days=1)).replace(hour=10)):
        start_timer(new_id(), Target(engagement_id=cast.acme_work.id), by=cast.actor(cast.sam))
    timer = db.session.scalars(sa.select(Timer)).one()
    bar = sam.get("/timers/bar", headers=HTMX).text
    assert "It ran since yesterday" in bar and "how long did you work?" in bar
    assert sam.post(f"/timers/{timer.id}/stop", headers=HTMX).status_code == 422
    assert sam.post(f"/timers/{timer.id}/stop", data={"recorded": "much"}, headers=HTMX).status_code == 422
    assert sam.post(f"/timers/{timer.id}/stop", data={"recorded": "1:30"}, headers=HTMX).status_code == 200
    entry = db.session.scalars(sa.select(TimeEntry)).one()
    assert (entry.recorded, entry.worked_on) == (dt.timedelta(minutes=90), today() - dt.timedelta(days=1))


def test_a_discarded_timer_comes_back(cast: Cast, sam: FlaskClient) -> None:
    sam.post("/timers", data={"work": f"engagement:{cast.acme_work.id}"})
    timer = db.session.scalars(sa.select(Timer)).one()
    answer = sam.post(f"/timers/{timer.id}/discard", headers=HTMX)
    assert "restoration" in answer.headers["HX-Trigger"] and "General advice" not in answer.text
    assert "General advice" not in sam.get("/timers").text
    assert "1 paused" in sam.post(f"/timers/{timer.id}/restoration", headers=HTMX).text
    assert "General advice" in sam.get("/timers").text


def test_without_script_a_discarded_timer_comes_back_from_the_page_of_timers(cast: Cast, sam: FlaskClient) -> None:
    sam.post("/timers", data={"work": f"engagement:{cast.acme_work.id}"})
    timer = db.session.scalars(sa.select(Timer)).one()
    gone = sam.get(sam.post(f"/timers/{timer.id}/discard").location)
    assert "discarded" in gone.text and f"/timers/{timer.id}/restoration" in gone.text
    sam.post(f"/timers/{timer.id}/restoration")
    after = sam.get(f"/timers?undo={timer.id}").text
    assert "General advice" in after and "restoration" not in after
    assert sam.get(f"/timers?undo={new_id()}").status_code == 200


def test_an_entry_is_changed_split_moved_deleted_and_brought_back(cast: Cast, sam: FlaskClient) -> None:
    make_rate("100")
    entry = make_entry(cast, recorded=dt.timedelta(hours=2))
    at = f"/time/{entry.id}"
    assert sam.get(at, headers=HTMX).status_code == sam.get(at).status_code == 200
    changed = typed(cast, recorded="3:00", version=1, narrative="Better said")
    assert sam.post(at, data=changed, headers=HTMX).status_code == 200
    stale = sam.post(at, data=typed(cast, version=1, narrative="Mine"), headers=HTMX)
    assert stale.status_code == 422 and "Somebody else changed this" in stale.text and "Mine" in stale.text
    assert sam.post(f"{at}/split", data={"id": new_id(), "taken": "9:00"}, headers=HTMX).status_code == 422
    assert sam.post(f"{at}/split", data={"id": new_id(), "taken": "1:00"}).status_code == 303
    assert count(TimeEntry) == 2 and wip_of(cast.acme_work) == Decimal(300)
    gone = sam.post(f"{at}/deletion")
    assert wip_of(cast.acme_work) == Decimal(100) and "Undo" in sam.get(gone.location).text
    sam.post(f"{at}/restoration", headers=HTMX)
    assert wip_of(cast.acme_work) == Decimal(300)


def test_who_may_not_see_rates_gets_none_in_page_or_file(cast: Cast, client: FlaskClient) -> None:
    make_rate("123.45")
    entry = make_entry(cast, recorded=dt.timedelta(hours=2))
    addresses = (f"/time/{entry.id}", "/time", f"/clients/{cast.acme.id}/time", f"/time.csv?client={cast.acme.id}")
    sign_in(client, cast.sam)
    for address in addresses:
        text = client.get(address).text
        assert "123.45" not in text and "246.90" not in text, address
    assert client.get("/settings/rates").status_code == 403
    sign_in(client, cast.mel)
    assert "123.45" in client.get(addresses[0]).text and "Why this rate?" in client.get(addresses[0]).text
    assert "246.90" in client.get(addresses[2]).text and "246.90" in client.get(addresses[3]).text


def test_the_sheet_of_a_colleague_takes_a_permission(cast: Cast, client: FlaskClient) -> None:
    make_entry(cast, narrative="Quiet work")
    sign_in(client, cast.wes)
    assert client.get(f"/time?person={cast.sam.id}").status_code == 403
    assert client.post("/time", data=typed(cast, person=cast.sam.id)).status_code == 403
    sign_in(client, cast.mel)
    assert "Quiet work" in client.get(f"/time?person={cast.sam.id}").text
    assert client.post("/time", data=typed(cast, person=cast.sam.id)).status_code == 303
    assert {entry.person_id for entry in db.session.scalars(sa.select(TimeEntry))} == {cast.sam.id}


def test_wes_finds_nothing_behind_his_wall(cast: Cast, client: FlaskClient) -> None:
    make_job(cast.rival_work, "Rival accounts")
    entry = make_entry(cast, engagement=cast.rival_work)
    sign_in(client, cast.wes)
    assert "Rival" not in client.get("/lookup/work?q=rival").text
    assert client.get(f"/time/{entry.id}").status_code == 404
    assert client.get(f"/clients/{cast.rival.id}/time").status_code == 404
    refused = client.post("/time", data=typed(cast, work=f"engagement:{cast.rival_work.id}"))
    unknown = client.post("/time", data=typed(cast, work=f"engagement:{new_id()}"))
    assert (refused.status_code, unknown.status_code) == (404, 404)
    assert client.post("/timers", data={"engagement_id": cast.rival_work.id}).status_code == 404


def test_work_is_found_lately_used_first(cast: Cast, sam: FlaskClient) -> None:
    job = make_job(cast.acme_work, "Nov bookkeeping")
    task = make_task(job, "Reconcile bank", assignee_id=cast.sam.id)
    make_entry(cast, engagement=cast.rival_work)
    options = sam.get("/lookup/work").text
    assert options.index(f"engagement:{cast.rival_work.id}") < options.index(f"task:{task.id}")
    assert f"job:{job.id}" in sam.get("/lookup/work?q=acme").text
    assert f"task:{task.id}" in sam.get("/lookup/work?q=reconc").text


def test_missing_time_is_shown_against_the_working_pattern(cast: Cast, sam: FlaskClient) -> None:
    with clock.travel_to(dt.datetime(2026, 11, 19, 12, tzinfo=dt.UTC)):
        sign_in(sam, cast.sam)
        make_entry(cast, worked_on=dt.date(2026, 11, 17), recorded=dt.timedelta(hours=3))
        page = sam.get("/time").text
    assert "19:30 missing" in page and "(Mon 7:30, Tue 4:30, Wed 7:30)" in page


def test_the_sheet_asks_the_same_however_much_it_shows(
    cast: Cast, sam: FlaskClient, max_queries: Callable[[int], Any]
) -> None:
    task = make_task(make_job(cast.acme_work), "Reconcile bank")
    for _ in range(12):
        make_entry(cast, task_id=task.id, narrative="Line")
    with max_queries(12):
        assert sam.get("/time").text.count("Line") == 12
    with max_queries(10):
        sam.get(f"/clients/{cast.acme.id}/time")


def test_an_expense_is_recorded_once_marked_up_changed_and_deleted(cast: Cast, client: FlaskClient) -> None:
    sign_in(client, cast.mel)
    sent = {
        "id": new_id(),
        "spent_on": today(),
        "work": f"engagement:{cast.acme_work.id}",
        "narrative": "Train to Leeds",
        "net": "100.00",
        "tax": "20",
        "mark_up_percent": "10",
        "billable": "y",
    }
    for _ in range(2):
        assert client.post("/expenses", data=sent).status_code == 303
    expense = db.session.scalars(sa.select(Expense)).one()
    assert (expense.value, wip_of(cast.acme_work)) == (Decimal(110), Decimal(110))
    assert "Train to Leeds" in client.get("/expenses").text
    at = f"/expenses/{expense.id}"
    assert client.get(at).status_code == 200
    assert client.post(at, data=sent | {"net": "50", "version": 1}).status_code == 303
    assert wip_of(cast.acme_work) == Decimal(55)
    refused = client.post(at, data=sent | {"net": "fifty", "version": 2})
    assert refused.status_code == 422 and "fifty" in refused.text
    gone = client.post(f"{at}/deletion")
    assert wip_of(cast.acme_work) == 0 and "Undo" in client.get(gone.location).text
    client.post(f"{at}/restoration")
    assert wip_of(cast.acme_work) == Decimal(55)


def test_rates_are_added_tried_and_archived(cast: Cast, client: FlaskClient) -> None:
    sign_in(client, cast.pat)
    form = {"id": new_id(), "from_on": "2026-01-01", "amount": "90", "currency": "gbp"}
    for sent in (form, form, form | {"id": new_id(), "amount": "140", "person": cast.sam.id}):
        assert client.post("/settings/rates", data=sent).status_code == 303
    assert count(Rate) == 2
    tried = client.get(f"/settings/rates?person={cast.sam.id}&engagement={cast.acme_work.id}&on={today()}").text
    assert "140.00" in tried and "The person" in tried
    special = db.session.scalars(sa.select(Rate).where(Rate.person_id.is_not(None))).one()
    assert client.post(f"/settings/rates/{special.id}/archive").status_code == 303
    tried = client.get(f"/settings/rates?person={cast.sam.id}&engagement={cast.acme_work.id}&on={today()}").text
    assert "140.00" not in tried and "90.00" in tried
    sign_in(client, cast.mel)
    assert client.post("/settings/rates", data=form | {"id": new_id()}).status_code == 403


def test_a_receipt_goes_among_the_documents_of_the_client(cast: Cast, client: FlaskClient) -> None:
    sign_in(client, cast.sam)
    sent = {
        "id": new_id(),
        "spent_on": today(),
        "work": f"engagement:{cast.acme_work.id}",
        "narrative": "Taxi",
        "net": "12",
    }
    page = client.post("/expenses", data=sent, follow_redirects=True).text
    assert "Photograph or choose a file" in page
    at = f"/expenses/{sent['id']}/receipt"
    plan = client.post(at, json={"id": str(new_id()), "name": "taxi.jpg", "size": 1000}).json
    assert plan and "completion" in plan["urls"]
    expense = db.session.scalars(sa.select(Expense)).one()
    assert db.session.get_one(Document, expense.document_id).client_id == cast.acme.id
    assert "taxi.jpg" in client.get(f"/expenses/{expense.id}").text
    sign_in(client, cast.wes)
    assert client.post(at, json={"name": "mine.jpg", "size": 10}).status_code == 403


def test_an_entry_moved_to_another_client_is_drawn_anew_from_what_was_saved(
    client: FlaskClient, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page of the entry, and whatever shows the client or the job that it has left."""
    told: list[str] = []
    monkeypatch.setattr(live, "publish", lambda *topics: told.extend(topics))
    job = make_job(cast.acme_work)
    entry = make_entry(cast, job_id=job.id)
    sign_in(client, cast.sam)
    page = client.get(f"/time/{entry.id}").text
    again = re.search(r'id="entry"[^>]*hx-get="([^"]+)"[^>]*time-changed from:body', page)
    assert again is not None and 'name="page" value="whole"' in page
    told.clear()
    values = typed(cast, work=f"engagement:{cast.rival_work.id}", version=entry.version, page="whole")
    saved = client.post(f"/time/{entry.id}", data=values, headers=HTMX)
    assert saved.status_code == 200 and json.loads(saved.headers["HX-Trigger"])["time-changed"]
    fresh = client.get(again[1].replace("&amp;", "&"), headers=HTMX).text
    assert "Rival plc" in fresh and "Acme" not in fresh.split('id="entry"')[1].split("</main>")[0]
    assert {f"client:{cast.acme.id}", f"client:{cast.rival.id}", f"job:{job.id}"} <= set(told)


def test_an_entry_deleted_on_its_own_page_leads_back_to_the_week_with_a_way_back(
    client: FlaskClient, cast: Cast
) -> None:
    entry = make_entry(cast)
    sign_in(client, cast.sam)
    gone = client.post(f"/time/{entry.id}/deletion", data={"page": "whole"}, headers=HTMX)
    assert "Undo" in client.get(gone.headers["HX-Redirect"]).text
