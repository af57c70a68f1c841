"""Who is told what: once, never of their own acts, never across a wall."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import sqlalchemy as sa
from flask.testing import FlaskClient

from app.activity.commands import record, run_reader, seal_events
from app.catalogue.models import StepKind
from app.clients.models import Wall
from app.core.actors import SYSTEM
from app.core.clock import now
from app.core.db import db, transaction
from app.jobs.commands.reviews import return_task
from app.jobs.commands.tasks import assign_task, complete_task
from app.notifications.commands import mark_all_read
from app.notifications.models import Notice
from app.notifications.queries import count_unread, list_notices
from tests.jobs.make_jobs import make_chain, make_job, make_task, settle
from tests.make import keep, sign_in


def read_all() -> None:
    while seal_events():
        pass
    while run_reader("notifications.inbox"):
        pass


def kinds(person: Any) -> list[str]:
    return list(db.session.scalars(
        sa.select(Notice.kind).where(Notice.person_id == person.id).order_by(Notice.created_at, Notice.id)
    ))


def test_i_am_told_when_a_colleague_makes_my_step_ready(cast: Any) -> None:
    job = make_job(cast.acme_work)
    first = make_task(job, "Reconcile", assignee_id=cast.sam.id)
    make_task(job, "Review VAT", after=(first,), assignee_id=cast.mel.id)
    settle(job)
    complete_task(first, by=cast.actor(cast.sam))
    read_all()
    read_all()
    assert kinds(cast.mel) == ["jobs.task.completed"]
    assert kinds(cast.sam) == []
    (line,), _ = list_notices(seen_by=cast.actor(cast.mel))
    assert (line.actor, line.words, line.client) == (
        "Sam", "finished “Reconcile”: a step of yours is ready", "Acme Ltd"
    )
    assert line.url.endswith(f"/tasks/{first.id}")


def test_my_own_acts_are_not_news_to_me(cast: Any) -> None:
    first, _ = make_chain(make_job(cast.acme_work), "One", "Two", assignee_id=cast.sam.id)
    complete_task(first, by=cast.actor(cast.sam))
    assign_task(first, to=cast.pat, by=cast.actor(cast.sam))
    assign_task(first, to=cast.sam, by=cast.actor(cast.sam))
    read_all()
    assert kinds(cast.sam) == [] and kinds(cast.pat) == ["jobs.task.assigned"]


def test_work_sent_back_says_why(cast: Any) -> None:
    job = make_job(cast.acme_work)
    work = make_task(job, "Prepare", assignee_id=cast.sam.id)
    review = make_task(job, "Review", after=(work,), kind=StepKind.REVIEW, assignee_id=cast.mel.id)
    settle(job)
    complete_task(work, by=cast.actor(cast.sam))
    db.session.refresh(review)
    return_task(review, note="Off by ten", by=cast.actor(cast.mel))
    read_all()
    (line,), _ = list_notices(seen_by=cast.actor(cast.sam))
    assert line.words == "sent “Prepare” back to you: Off by ten"


def test_nothing_is_told_across_a_wall(cast: Any) -> None:
    with transaction():
        record("jobs.task.assigned", cast.rival, by=SYSTEM, name="Secret", to=cast.wes.id)
        record("jobs.task.assigned", cast.rival, by=SYSTEM, name="Secret", to=cast.sam.id)
    read_all()
    assert kinds(cast.wes) == [] and len(kinds(cast.sam)) == 1
    keep(Wall(person_id=cast.sam.id, client_id=cast.rival.id, reason="Since", created_at=now()))
    assert list_notices(seen_by=cast.actor(cast.sam)) == ([], False)
    assert count_unread(seen_by=cast.actor(cast.sam)) == 0
    assert list_notices(seen_by=cast.contact(cast.otto)) == ([], False)


def test_marking_all_read_leaves_what_came_meanwhile(cast: Any) -> None:
    (task,) = make_chain(make_job(cast.acme_work), "One")
    assign_task(task, to=cast.sam, by=cast.actor(cast.mel))
    read_all()
    by = cast.actor(cast.sam)
    assert mark_all_read(up_to=now() - dt.timedelta(hours=1), by=by) == 0
    assert mark_all_read(up_to=now(), by=by) == 1 and count_unread(seen_by=by) == 0


def test_what_came_while_the_inbox_stood_open_is_marked_read_with_the_rest(client: FlaskClient, cast: Any) -> None:
    sam = sign_in(client, cast.sam)
    assert "Your inbox is empty" in sam.get("/inbox").text
    (task,) = make_chain(make_job(cast.acme_work), "One")
    assign_task(task, to=cast.sam, by=cast.actor(cast.mel))
    read_all()
    part = sam.get("/inbox", headers={"HX-Request": "true"}).text
    until = re.search(r'name="until" value="([^"]+)" form="read-all"', part)
    assert until and "gave you “One”" in part
    sam.post("/inbox/reading", data={"until": until[1]})
    assert count_unread(seen_by=cast.actor(cast.sam)) == 0


def test_a_notice_opens_its_step_and_is_read(client: FlaskClient, cast: Any) -> None:
    (task,) = make_chain(make_job(cast.acme_work), "One")
    assign_task(task, to=cast.sam, by=cast.actor(cast.mel))
    read_all()
    sam = sign_in(client, cast.sam)
    assert "Mel</bdi> gave you “One”" in sam.get("/inbox").text and "1 new" in sam.get("/inbox/bell").text
    notice = db.session.scalars(sa.select(Notice)).one()
    opened = sam.post(f"/inbox/{notice.id}/reading")
    assert opened.status_code == 303 and opened.location.endswith(f"/tasks/{task.id}")
    assert "new" not in sam.get("/inbox/bell").text
    assert sign_in(client, cast.pat).post(f"/inbox/{notice.id}/reading").status_code == 404
