"""What the law says drives work: late, at risk and missed go by every deadline that is not met."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from app.activity.commands import run_reader, seal_events
from app.activity.models import Event
from app.catalogue.models import StepKind
from app.core.clock import travel_to
from app.core.db import db, transaction
from app.core.errors import NotAllowed, NotFound, Refused
from app.jobs.commands.deadlines import Filed, mark_missed, reopen_deadline, satisfy_deadline, waive_deadline
from app.jobs.commands.jobs import JobChange, cancel_job, complete_job, edit_job
from app.jobs.commands.plan import plan_stale_jobs
from app.jobs.commands.reviews import return_task
from app.jobs.commands.tasks import complete_task, reopen_task
from app.jobs.models import Deadline, DeadlineState, Job, JobStatus, Task, TaskState
from app.jobs.proofs import prove_deadlines
from app.jobs.queries.board import BoardFilter, Mark, View, columns_of, fill, list_table
from app.jobs.queries.deadlines import (
    DeadlineFilter,
    Standing,
    count_standings,
    get_deadline,
    list_deadlines,
    met_by,
)
from app.jobs.queries.work import Tab, list_work
from app.notifications.models import Notice
from app.reports.dashboard import standing
from tests.jobs.make_jobs import make_chain, make_job, make_task, settle
from tests.make import keep, sign_in

MONDAY = dt.datetime(2025, 11, 17, 12, tzinfo=dt.UTC)
TODAY = MONDAY.date()
HTMX = {"HX-Request": "true"}


def make_deadline(job: Job, name: str = "VAT return", *, on: dt.date, **values: Any) -> Deadline:
    values.setdefault("code", name)
    values.setdefault("jurisdiction", "UK")
    deadline: Deadline = keep(Deadline(
        job_id=job.id, client_id=job.client_id, engagement_id=job.engagement_id, name=name, statutory_on=on,
        effective_on=on, **values,
    ))
    db.session.refresh(job)
    return deadline


def days(number: int) -> dt.timedelta:
    return dt.timedelta(days=number)


def test_a_job_past_a_deadline_is_late_everywhere_though_its_own_due_date_is_still_to_come(cast: Any) -> None:
    with travel_to(MONDAY):
        by = cast.actor(cast.mel)
        job = make_job(cast.acme_work, due_on=TODAY + days(30))
        make_chain(job, "Prepare", assignee_id=cast.mel.id)
        make_deadline(job, "Payment", on=TODAY - days(9))
        make_deadline(job, "Return", on=TODAY + days(3))
        plan_stale_jobs()
        db.session.expire_all()
        assert (job.deadline_on, job.deadline_name, job.must_by) == (TODAY - days(9), "Payment", TODAY - days(9))
        assert standing(seen_by=by).overdue == 1
        (card,), total = list_table(BoardFilter(mark=Mark.OVERDUE), seen_by=by)
        assert (card.id, total, card.is_late) == (job.id, 1, True) and card.why_late.startswith("“Payment” was due")
        found = BoardFilter()
        columns = fill(columns_of(View.WEEK, found, seen_by=by), View.WEEK, found, seen_by=by)
        assert columns[0].key == "overdue" and columns[0].total == 1
        (row,), _ = list_work(Tab.TODAY, of=cast.mel.id, seen_by=by)
        assert row.group == "late" and "“Payment” was due" in row.why


def test_the_plan_works_back_from_the_deadline_when_it_comes_before_the_due_date(cast: Any) -> None:
    with travel_to(MONDAY):
        job = make_job(cast.acme_work, due_on=TODAY + days(30))
        (task,) = make_chain(job, "Prepare", estimate=dt.timedelta(hours=30), due_on=None)
        deadline = make_deadline(job, on=TODAY + days(1))
        plan_stale_jobs()
        db.session.expire_all()
        assert task.latest_start_on == TODAY - days(4), "four days of work, to be done by tomorrow"
        assert job.at_risk_because.startswith("“Prepare” should have started")
        satisfy_deadline(deadline, by=cast.actor(cast.sam))
        plan_stale_jobs()
        db.session.expire_all()
        assert job.at_risk_because == "" and job.deadline_on is None


def test_a_deadline_is_missed_by_itself_on_the_day_after_where_it_is_kept(cast: Any) -> None:
    with travel_to(MONDAY):
        job = make_job(cast.acme_work, owner_id=cast.mel.id)
        british = make_deadline(job, "British", on=TODAY - days(1))
        make_deadline(job, "American", on=TODAY - days(1), jurisdiction="US")
        gone = make_job(cast.acme_work, "Given up")
        make_deadline(gone, on=TODAY - days(9))
        cancel_job(gone, because="", by=cast.actor(cast.sam))
    with travel_to(dt.datetime.combine(TODAY, dt.time(0, 30), dt.UTC)):
        assert mark_missed() == 1, "in Honolulu it is still yesterday"
        assert mark_missed() == 0
        db.session.expire_all()
        assert british.state is DeadlineState.MISSED
    with travel_to(MONDAY):
        assert mark_missed() == 1
        assert standing(seen_by=cast.actor(cast.pat)).overdue == 1, "what was missed is still to be met"
        while seal_events():
            pass
        run_reader("notifications.inbox")
        while run_reader("notifications.inbox"):
            pass
        told = set(db.session.scalars(sa.select(Notice.person_id).where(Notice.kind == "jobs.deadline.missed")))
        assert cast.mel.id in told
        satisfy_deadline(british, on=TODAY, reference="HMRC-1", by=cast.actor(cast.sam))
        assert british.was_met_late and (british.met_on, british.reference) == (TODAY, "HMRC-1")
        before = db.session.scalar(sa.select(sa.func.count()).select_from(Event))
        satisfy_deadline(british, by=cast.actor(cast.sam))
        assert db.session.scalar(sa.select(sa.func.count()).select_from(Event)) == before
        assert not [*prove_deadlines()]


def inbox() -> set[Any]:
    """Whom a missed deadline was told."""
    while seal_events():
        pass
    while run_reader("notifications.inbox"):
        pass
    return set(db.session.scalars(sa.select(Notice.person_id).where(Notice.kind == "jobs.deadline.missed")))


def test_a_deadline_found_missed_long_after_is_told_once(cast: Any) -> None:
    """The sweep may have stood still for a month, or the deadline came into the firm with its past."""
    with travel_to(MONDAY):
        job = make_job(cast.acme_work, owner_id=cast.mel.id)
        make_deadline(job, on=TODAY - days(40))
        assert mark_missed() == 1
        inbox()
        assert cast.mel.id in inbox()
        kept = sa.select(sa.func.count()).where(Notice.kind == "jobs.deadline.missed", Notice.person_id == cast.mel.id)
        assert mark_missed() == 0 and inbox() and db.session.scalar(kept) == 1


def test_what_was_met_or_waived_too_late_is_missed_again_when_that_is_taken_back_and_told_no_second_time(
    cast: Any,
) -> None:
    sam = cast.actor(cast.sam)
    with travel_to(MONDAY):
        job = make_job(cast.acme_work, owner_id=cast.mel.id)
        late, waived = make_deadline(job, "Late", on=TODAY - days(3)), make_deadline(job, "Waived", on=TODAY - days(2))
        in_time = make_deadline(job, "In time", on=TODAY)
        assert mark_missed() == 2
        inbox()
        satisfy_deadline(late, by=sam)
        waive_deadline(waived, because="Dormant", by=sam)
        satisfy_deadline(in_time, by=sam)
    with travel_to(MONDAY + days(2)):
        for each in (late, waived, in_time):
            reopen_deadline(each, by=sam)
        assert [each.state for each in (late, waived, in_time)] == [
            DeadlineState.MISSED, DeadlineState.MISSED, DeadlineState.OPEN]
        assert mark_missed() == 1, "nobody knew of the one that had been met in time"
        inbox()
        told = sa.select(sa.func.count()).where(Notice.kind == "jobs.deadline.missed", Notice.person_id == cast.mel.id)
        assert db.session.scalar(told) == 3
        assert not [*prove_deadlines()]


def test_the_press_of_complete_shows_what_is_not_met_and_what_can_be_done(client: FlaskClient, cast: Any) -> None:
    job = make_job(cast.acme_work)
    vat = make_deadline(job, "VAT return", on=job.starts_on)
    fee = make_deadline(job, "Filing fee", on=job.starts_on + days(900))
    sign_in(client, cast.sam)
    page = f"/jobs/{job.id}/completion"
    pressed = client.post(page)
    assert (pressed.status_code, pressed.location) == (303, page)
    shown = client.get(page).text
    for deadline in (vat, fee):
        assert all(f"/deadlines/{deadline.id}/{act}" in shown for act in ("satisfaction", "waiver"))
    came = {"HX-Current-URL": page}
    met = client.post(f"/deadlines/{vat.id}/satisfaction", data={"on": job.starts_on.isoformat()}, headers=came)
    assert met.location == page, "back to what is left"
    client.post(f"/deadlines/{fee.id}/waiver", data={"because": "Abolished"}, headers=came)
    assert "Every deadline is met or waived" in client.get(page).text
    assert client.post(page).location == f"/jobs/{job.id}"
    db.session.expire_all()
    assert db.session.get_one(Job, job.id).status is JobStatus.COMPLETED
    assert client.get(page).location == f"/jobs/{job.id}", "a finished job has nothing in its way"


def test_a_due_date_past_a_deadline_needs_a_reason_and_is_told(cast: Any) -> None:
    with travel_to(MONDAY):
        by = cast.actor(cast.mel)
        with transaction():
            job = make_job(cast.acme_work, due_on=TODAY + days(5))
            deadline = make_deadline(job, on=TODAY + days(10))
        later = JobChange(title=job.title, starts_on=job.starts_on, due_on=TODAY + days(60))
        with pytest.raises(Refused, match="Sat 22 Nov → Fri 16 Jan 2026 is past “VAT return” on Thu 27 Nov") as refusal:
            edit_job(job, later, version=job.version, by=by)
        assert refusal.value.field == "because" and job.due_on == TODAY + days(5)
        edit_job(job, JobChange(title=job.title, starts_on=job.starts_on, due_on=TODAY + days(60),
                                because="Extension asked for"), version=job.version, by=by)
        assert job.due_on == TODAY + days(60) and job.must_by == deadline.effective_on
        nearer = JobChange(title=job.title, starts_on=job.starts_on, due_on=TODAY + days(20))
        edit_job(job, nearer, version=job.version, by=by)
        assert job.due_on == TODAY + days(20), "nearer to the deadline than before needs no reason"


def test_finishing_the_step_that_files_meets_its_deadline(cast: Any) -> None:
    with travel_to(MONDAY):
        by = cast.actor(cast.sam)
        job = make_job(cast.acme_work)
        first, last = make_chain(job, "File the payment", "File the return")
        named = make_deadline(job, "Payment", on=TODAY, met_by_task_id=first.id)
        other = make_deadline(job, "Return", on=TODAY - days(1))
        assert [list(met_by(task)) for task in (first, last)] == [[named], [other]]
        complete_task(first, filed=Filed([named.id, other.id], TODAY - days(2), "REF"), by=by)
        assert (named.state, named.met_on, named.decided_by) == (DeadlineState.SATISFIED, TODAY - days(2), cast.sam.id)
        assert other.met_on == TODAY - days(2) and not other.was_met_late
        reopen_deadline(other, by=by)
        db.session.refresh(last)
        complete_task(last, by=by)
        assert other.state is DeadlineState.OPEN, "nothing was said of it"
        with pytest.raises(Refused, match="Not met yet: “Return”"):
            complete_job(job, by=by)
        with pytest.raises(Refused, match="still to come"):
            satisfy_deadline(other, on=TODAY + days(1), by=by)
        satisfy_deadline(other, by=by)
        complete_job(job, by=by)
        assert job.status is JobStatus.COMPLETED


def test_a_step_opened_again_opens_what_it_met(cast: Any) -> None:
    with travel_to(MONDAY):
        by = cast.actor(cast.sam)
        job = make_job(cast.acme_work)
        first, last = make_chain(job, "File", "Check")
        named = make_deadline(job, "Payment", on=TODAY, met_by_task_id=first.id)
        unnamed = make_deadline(job, "Return", on=TODAY + days(1))
        others = make_deadline(job, "Accounts", on=TODAY, met_by_task_id=last.id)
        satisfy_deadline(others, by=by)
        waived = make_deadline(job, "Levy", on=TODAY, met_by_task_id=first.id)
        waive_deadline(waived, because="Not due", by=by)
        complete_task(first, filed=Filed([named.id, unnamed.id], TODAY, "REF"), by=by)
        for _ in range(2):
            reopen_task(first, by=by)
            db.session.expire_all()
            assert [each.state for each in (named, unnamed)] == [DeadlineState.OPEN] * 2
        assert (named.met_on, named.reference, named.decided_by) == (None, "", None)
        assert (others.state, waived.state) == (DeadlineState.SATISFIED, DeadlineState.WAIVED), "it did not meet these"
        told = sa.select(sa.func.count()).where(Event.kind == "jobs.deadline.reopened")
        assert db.session.scalar(told) == 2, "once each"
        assert list(met_by(first)) == [named, unnamed], "and finishing it asks again"
        assert not [*prove_deadlines()] and job.deadline_on == TODAY
        complete_task(first, filed=Filed([named.id], TODAY, "REF-2"), by=by)
        with pytest.raises(NotAllowed):
            reopen_task(first, by=cast.contact(cast.otto))
        db.session.expire_all()
        assert named.reference == "REF-2"


def test_work_sent_back_by_its_review_is_to_be_filed_again(cast: Any) -> None:
    with travel_to(MONDAY):
        job = make_job(cast.acme_work)
        work = make_task(job, "File", assignee_id=cast.sam.id)
        review = make_task(job, "Review", after=(work,), kind=StepKind.REVIEW, assignee_id=cast.mel.id)
        settle(job)
        deadline = make_deadline(job, on=TODAY, met_by_task_id=work.id)
        complete_task(work, filed=Filed([deadline.id], TODAY, "REF"), by=cast.actor(cast.sam))
        return_task(db.session.get_one(Task, review.id), note="Wrong box", by=cast.actor(cast.mel))
        db.session.expire_all()
        assert deadline.state is DeadlineState.OPEN


def test_the_press_of_done_asks_whether_it_was_filed(client: FlaskClient, cast: Any) -> None:
    job = make_job(cast.acme_work)
    (task,) = make_chain(job, "File the return", assignee_id=cast.sam.id)
    deadline = make_deadline(job, on=job.starts_on + days(300))
    sign_in(client, cast.sam)
    asked = client.post(f"/tasks/{task.id}/completion")
    assert "Filed?" in asked.text and "VAT return" in asked.text
    db.session.expire_all()
    assert db.session.get_one(Task, task.id).state is TaskState.READY
    wrong = client.post(f"/tasks/{task.id}/completion", data={"answered": "1", "on": "", "filed": str(deadline.id)})
    assert wrong.status_code == 422 and "Say on which day" in wrong.text
    done = client.post(f"/tasks/{task.id}/completion", data={
        "answered": "1", "on": job.starts_on.isoformat(), "filed": str(deadline.id), "reference": "R1",
        "view": "job"}, headers=HTMX)
    assert done.status_code == 200
    db.session.expire_all()
    assert db.session.get_one(Task, task.id).state is TaskState.DONE
    assert db.session.get_one(Deadline, deadline.id).reference == "R1"
    assert "VAT return" in client.get(f"/tasks/{task.id}/reopening").text, "what opens with it is said before"
    undo = json.loads(done.headers["HX-Trigger"])["toast"]["undo"]
    assert client.post(undo, headers=HTMX).status_code == 204
    db.session.expire_all()
    assert db.session.get_one(Task, task.id).state is TaskState.READY
    assert db.session.get_one(Deadline, deadline.id).state is DeadlineState.OPEN, "undo takes both back"


def test_the_list_shows_overdue_first_and_nothing_across_a_wall(client: FlaskClient, cast: Any) -> None:
    with travel_to(MONDAY):
        acme, rival = make_job(cast.acme_work, owner_id=cast.sam.id), make_job(cast.rival_work, "Rival's return")
        make_deadline(acme, "Later", on=TODAY + days(5), code="LATER")
        make_deadline(acme, "Passed", on=TODAY - days(5))
        secret = make_deadline(rival, "Secret", on=TODAY - days(7))
        met = make_deadline(acme, "Done", on=TODAY)
        satisfy_deadline(met, by=cast.actor(cast.sam))
        pat, wes = cast.actor(cast.pat), cast.actor(cast.wes)

        def names(found: DeadlineFilter, by: Any = pat) -> list[str]:
            return [row.name for row in list_deadlines(found, seen_by=by)[0]]

        assert names(DeadlineFilter()) == ["Secret", "Passed", "Later"]
        assert names(DeadlineFilter(), wes) == ["Passed", "Later"]
        assert names(DeadlineFilter(), cast.contact(cast.otto)) == []
        assert names(DeadlineFilter(standing=Standing.OVERDUE, person_id=cast.sam.id)) == ["Passed"]
        assert names(DeadlineFilter(code="LATER")) == ["Later"]
        assert names(DeadlineFilter(standing=Standing.MET)) == ["Done"]
        assert names(DeadlineFilter(client_id=cast.rival.id)) == ["Secret"]
        assert names(DeadlineFilter(from_on=TODAY, until_on=TODAY + days(9))) == ["Later"]
        counts = count_standings(DeadlineFilter(), seen_by=wes)
        assert (counts[Standing.TO_MEET], counts[Standing.OVERDUE], counts[Standing.MET]) == (2, 1, 1)
        for call in (lambda: get_deadline(secret.id, seen_by=wes),
                     lambda: get_deadline(secret.id, seen_by=cast.contact(cast.cleo))):
            with pytest.raises(NotFound):
                call()
        for command in (lambda by: satisfy_deadline(secret, by=by), lambda by: reopen_deadline(met, by=by),
                        lambda by: waive_deadline(secret, because="No", by=by)):
            with pytest.raises(NotAllowed):
                command(cast.contact(cast.otto))
        with pytest.raises(NotAllowed):
            satisfy_deadline(secret, by=wes)
        sign_in(client, cast.pat)
        page = client.get("/deadlines", query_string={"client_text": cast.acme.name})
        assert f"/jobs/{acme.id}" in page.text and f"/jobs/{rival.id}" not in page.text
        listed = client.get("/deadlines/export.csv").text
        assert "Secret" in listed and "Passed" in listed


def test_a_job_keeps_its_earliest_deadline_whoever_changes_one(cast: Any) -> None:
    job = make_job(cast.acme_work)
    first, second = make_deadline(job, "A", on=TODAY), make_deadline(job, "B", on=TODAY + days(2))
    with transaction():
        db.session.execute(sa.update(Deadline).where(Deadline.id == first.id).values(effective_on=TODAY + days(9)))
    db.session.refresh(job)
    assert (job.deadline_name, job.deadline_on) == ("B", TODAY + days(2))
    with transaction():
        db.session.execute(sa.delete(Deadline).where(Deadline.id == second.id))
    db.session.refresh(job)
    assert job.deadline_name == "A" and not [*prove_deadlines()]
    with transaction():
        db.session.execute(sa.update(Job).where(Job.id == job.id).values(deadline_on=None))
    assert len([*prove_deadlines()]) == 1
