"""What can be taken back says so in its message: for ten seconds with script, as a button without; by its person."""

from __future__ import annotations

import datetime as dt
import json
import re
from html import unescape
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from app.catalogue.models import Stage
from app.clients.models import Wall
from app.core.clock import now, today
from app.core.db import db
from app.core.permissions import Role
from app.jobs.commands.tasks import assign_task, complete_task, reopen_task, start_task
from app.jobs.models import ChecklistItem, Job, Task, TaskState
from tests.jobs.make_jobs import make_chain, make_job, make_service, make_task, settle
from tests.make import Cast, keep, sign_in

HTMX = {"HX-Request": "true"}


def undo_in(answer: Any) -> str:
    """The way back that a message offers: in the header of an answer to htmx, else as a form on the page."""
    if "HX-Trigger" in answer.headers:
        return str(json.loads(answer.headers["HX-Trigger"])["toast"]["undo"])
    found = re.search(r'<form class="inline-form" method="post" action="(/undo[^"]+)">.*?Undo</button>', answer.text)
    assert found is not None, "no way back is offered"
    return unescape(found[1])


@pytest.fixture
def steps(cast: Cast, client: FlaskClient) -> list[Task]:
    service = make_service()
    job = make_job(cast.acme_work, "Accounts", service_id=service.id, stage_id=None)
    sign_in(client, cast.sam)
    return make_chain(job, "Post", "Reconcile", assignee_id=cast.sam.id)


def fresh(row: Any) -> Any:
    db.session.expire_all()
    return row


def test_done_pressed_on_my_work_is_undone_from_its_message(client: FlaskClient, steps: list[Task]) -> None:
    first, second = steps
    done = client.post(f"/tasks/{first.id}/completion", data={"view": "work"}, headers=HTMX)
    assert fresh(second).state is TaskState.READY and "is-finished" in done.text
    back = client.post(undo_in(done), headers={**HTMX, "HX-Current-URL": "http://localhost/work"})
    assert back.headers["HX-Redirect"] == "/work"
    assert fresh(first).state is TaskState.READY and second.state is TaskState.BLOCKED
    again = client.post(undo_in(done), headers=HTMX)
    assert again.status_code == 422 and "has changed meanwhile" in again.text


def test_without_script_the_message_carries_the_way_back_as_a_button(client: FlaskClient, steps: list[Task]) -> None:
    page = client.post(f"/tasks/{steps[0].id}/completion", data={"back": "/work"}, follow_redirects=True)
    answer = client.post(undo_in(page), follow_redirects=True)
    assert "“Post” is open again" in answer.text and fresh(steps[0]).state is TaskState.READY


def test_undo_is_refused_with_its_reason_when_a_later_step_was_begun(
    client: FlaskClient, cast: Cast, steps: list[Task]
) -> None:
    done = client.post(f"/tasks/{steps[0].id}/completion", data={"view": "work"}, headers=HTMX)
    start_task(fresh(steps[1]), by=cast.actor(cast.sam))
    refused = client.post(undo_in(done), headers=HTMX)
    assert refused.status_code == 422 and "Later steps were already started: “Reconcile”" in refused.text
    assert fresh(steps[0]).state is TaskState.DONE


def test_only_who_did_it_undoes_it_and_not_behind_a_wall(
    client: FlaskClient, cast: Cast, steps: list[Task]
) -> None:
    at = undo_in(client.post(f"/tasks/{steps[0].id}/completion", data={"view": "work"}, headers=HTMX))
    other = sign_in(client.application.test_client(), cast.mel)
    assert "Only the person who did it" in other.post(at, headers=HTMX).text
    assert client.post(at + "x", headers=HTMX).status_code == 422
    keep(Wall(person_id=cast.sam.id, client_id=cast.acme.id, reason="Family", created_at=now()))
    assert client.post(at, headers=HTMX).status_code == 404
    assert fresh(steps[0]).state is TaskState.DONE


def test_giving_a_step_to_somebody_is_undone_unless_it_went_on(
    client: FlaskClient, cast: Cast, steps: list[Task]
) -> None:
    at = f"/tasks/{steps[0].id}/assignment"
    page = client.post(at, data={"person": str(cast.mel.id)}, follow_redirects=True)
    assert fresh(steps[0]).assignee_id == cast.mel.id
    client.post(undo := undo_in(page))
    assert fresh(steps[0]).assignee_id == cast.sam.id
    assign_task(steps[0], to=cast.pat, by=cast.actor(cast.mel))
    refused = client.post(undo)
    assert refused.status_code == 422 and "was given to somebody else meanwhile" in refused.text


def test_putting_off_and_ticking_are_undone(client: FlaskClient, steps: list[Task]) -> None:
    later = (today() + dt.timedelta(days=3)).isoformat()
    page = client.post(f"/tasks/{steps[0].id}/snooze", data={"until": later}, follow_redirects=True)
    assert fresh(steps[0]).snoozed_until is not None
    client.post(undo_in(page))
    assert fresh(steps[0]).snoozed_until is None
    item = keep(ChecklistItem(task_id=steps[0].id, position=0, text="Bank agrees"))
    ticked = client.post(f"/tasks/{steps[0].id}/checklist/{item.id}", data={"done": "1"}, headers=HTMX)
    assert fresh(item).done_at is not None
    client.post(undo_in(ticked), headers=HTMX)
    assert fresh(item).done_at is None
    assert client.post(undo_in(ticked), headers=HTMX).status_code == 422


def test_a_job_moved_to_another_stage_is_moved_back(client: FlaskClient, cast: Cast) -> None:
    service = make_service()
    stages = list(db.session.scalars(stages_of(service.id)))
    job: Job = make_job(cast.acme_work, service_id=service.id, stage_id=stages[0])
    sign_in(client, cast.mel)
    page = client.post(f"/jobs/{job.id}/stage", data={"stage": str(stages[1])}, follow_redirects=True)
    undo = undo_in(page)
    client.post(undo)
    assert fresh(job).stage_id == stages[0]
    refused = client.post(undo)
    assert refused.status_code == 422 and "was moved on meanwhile" in refused.text
    dragged = client.post(
        f"/jobs/{job.id}/stage", data={"stage": str(stages[2])}, headers={"X-Requested-With": "drag"}
    )
    client.post(dragged.headers["X-Undo"])
    assert fresh(job).stage_id == stages[0]


def stages_of(service_id: Any) -> Any:
    return sa.select(Stage.id).where(Stage.service_id == service_id).order_by(Stage.position)


def test_an_archived_contact_is_brought_back(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.pat, confirmed=True)
    page = client.post(f"/contacts/{cast.cleo.id}/archive", follow_redirects=True)
    assert fresh(cast.cleo).archived_at is not None
    client.post(undo_in(page))
    assert fresh(cast.cleo).archived_at is None


def test_what_was_finished_today_stays_in_sight_with_the_way_back(
    client: FlaskClient, cast: Cast, steps: list[Task]
) -> None:
    job = db.session.get_one(Job, steps[0].job_id)
    old = make_task(job, "Long done", assignee_id=cast.sam.id, state=TaskState.DONE,
                    done_at=now() - dt.timedelta(days=2), done_by=cast.sam.id)
    settle(job)
    complete_task(fresh(steps[0]), by=cast.actor(cast.sam))
    page = client.get("/work").text
    finished = page.split("Finished today")[1]
    assert "Post" in finished and f"/tasks/{steps[0].id}/reopening" in finished and old.name not in page
    reopen_task(fresh(steps[0]), by=cast.actor(cast.sam))
    assert "Finished today" not in client.get("/work").text
    cast.wes.role = Role.STAFF
    assert "Finished today" not in sign_in(client, cast.wes).get("/work").text
