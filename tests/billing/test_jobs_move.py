"""A job moves to another engagement of its client with all that is recorded under it, while nothing of it is billed."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace
from decimal import Decimal

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.billing.commands.drafts import DraftFacts, create_draft
from app.billing.commands.jobs import move_job
from app.billing.commands.wip import write_off_items
from app.clients.commands import close_engagement
from app.clients.models import Engagement, Wall
from app.core import clock
from app.core.actors import SYSTEM
from app.core.db import db
from app.core.errors import NotAllowed, NotFound, Refused
from app.core.ids import new_id
from app.core.permissions import Permission
from app.core.proofs import run_proofs
from app.jobs.models import Deadline, Job
from app.ledger.models import Account
from app.ledger.queries import balance_of
from app.timekeeping.commands.entries import EntryFacts, delete_entry, record_entry, restore_entry
from app.timekeeping.commands.expenses import ExpenseFacts, record_expense
from app.timekeeping.models import Expense, TimeEntry
from tests.billing.make_billing import make_rate
from tests.jobs.make_jobs import make_job, make_task, settle
from tests.make import Cast, keep, make_engagement, sign_in
from tests.planning.test_planning_screens import post
from tests.requests.make_requests import make_request

ALL, NONE = Decimal(130), Decimal(0)


def whole(cast: Cast) -> Job:
    """A job of Acme with a step, a deadline, a request, an hour and an expense."""
    make_rate("100")
    job = make_job(cast.acme_work)
    task = make_task(job, assignee_id=cast.sam.id)
    keep(Deadline(
        job_id=job.id, client_id=job.client_id, engagement_id=job.engagement_id, code="X", name="Filing",
        statutory_on=clock.today(), effective_on=clock.today(),
    ))
    make_request(cast, job_id=job.id, task_id=task.id)
    worked = clock.today() - dt.timedelta(days=3)
    record_entry(
        new_id(), EntryFacts(task_id=task.id, worked_on=worked, recorded=dt.timedelta(hours=1)), by=cast.actor(cast.sam)
    )
    record_expense(
        new_id(), ExpenseFacts(job_id=job.id, spent_on=worked, net=Decimal(30), narrative="Fee"),
        by=cast.actor(cast.sam),
    )
    settle(job)
    return db.session.get_one(Job, job.id)


def elsewhere(cast: Cast, **values: object) -> Engagement:
    return make_engagement(cast.acme, cast.entity, "Elsewhere", **values)


def wip(cast: Cast, engagement: Engagement) -> Decimal:
    found = balance_of(Account.WIP, seen_by=SYSTEM, client_id=cast.acme.id, engagement_id=engagement.id)
    return found.get("GBP", Decimal(0))


def engagements_of_parts(job: Job) -> set[object]:
    found: set[object] = set()
    for table in ("task", "deadline", "client_request", "time_entry", "expense"):
        of_job = sa.text(f"SELECT engagement_id FROM {table} WHERE job_id = :job")
        rows = db.session.scalars(of_job, {"job": job.id}).all()
        assert rows, table
        found |= {each for each in rows if each}
    return found


def faults() -> list[str]:
    """What the proofs find; which files lie in storage is another test's."""
    return [
        f"{name}: {each}" for name, found in run_proofs() if not name.startswith("documents.")
        for each in found if not each.note
    ]


def test_all_of_it_goes_along_and_the_money_with_it(cast: Cast, session: Session) -> None:
    job, to = whole(cast), elsewhere(cast)
    assert (wip(cast, cast.acme_work), wip(cast, to)) == (ALL, NONE)
    assert move_job(job, to, by=cast.actor(cast.bea)) == 2
    assert session.get_one(Job, job.id).engagement_id == to.id and engagements_of_parts(job) == {to.id}
    assert (wip(cast, cast.acme_work), wip(cast, to)) == (NONE, ALL)
    assert faults() == []
    told = session.scalars(sa.text(
        "SELECT kind || ' ' || engagement_id FROM event WHERE kind LIKE 'jobs.job.%' AND job_id = :job ORDER BY id"
    ), {"job": job.id}).all()
    assert told == [f"jobs.job.left {cast.acme_work.id}", f"jobs.job.transferred {to.id}"]


def test_the_second_time_nothing_happens_and_back_it_is_as_it_was(cast: Cast, session: Session) -> None:
    job, to, bea = whole(cast), elsewhere(cast), cast.actor(cast.bea)
    move_job(job, to, by=bea)
    events = session.scalar(sa.text("SELECT count(*) FROM event"))
    assert move_job(session.get_one(Job, job.id), to, by=bea) == 0
    assert session.scalar(sa.text("SELECT count(*) FROM event")) == events
    assert move_job(session.get_one(Job, job.id), session.get_one(Engagement, cast.acme_work.id), by=bea) == 2
    assert engagements_of_parts(job) == {cast.acme_work.id}
    assert (wip(cast, cast.acme_work), wip(cast, to)) == (ALL, NONE) and faults() == []


def test_a_deleted_entry_goes_along_and_can_be_brought_back_there(cast: Cast, session: Session) -> None:
    job, to = whole(cast), elsewhere(cast)
    entry = session.scalars(sa.select(TimeEntry)).one()
    delete_entry(entry, by=cast.actor(cast.sam))
    assert move_job(job, to, by=cast.actor(cast.bea)) == 1
    restore_entry(session.scalars(sa.select(TimeEntry)).one(), by=cast.actor(cast.sam))
    assert (wip(cast, cast.acme_work), wip(cast, to)) == (NONE, ALL) and faults() == []


def test_what_is_on_a_draft_or_written_off_keeps_its_job_where_it_is(cast: Cast, session: Session) -> None:
    job, to, bea = whole(cast), elsewhere(cast), cast.actor(cast.bea)
    expense = session.scalars(sa.select(Expense)).one()
    write_off_items([expense.id], "Too much", by=cast.actor(cast.pat), percent=Decimal(50))
    with pytest.raises(Refused, match="An expense of .* stays where it is.* written off"):
        move_job(job, to, by=bea)
    facts = DraftFacts(client_id=cast.acme.id, engagement_ids=(cast.acme_work.id,), until=clock.today())
    create_draft(new_id(), facts, by=bea)
    with pytest.raises(Refused, match="Time of .* stays where it is.* draft"):
        move_job(session.get_one(Job, job.id), to, by=bea)
    assert engagements_of_parts(job) == {cast.acme_work.id} and faults() == []


def test_a_closed_one_one_in_another_currency_and_one_of_another_client_take_no_job(
    cast: Cast, session: Session
) -> None:
    job, bea = whole(cast), cast.actor(cast.bea)
    closed = elsewhere(cast)
    close_engagement(closed, by=SYSTEM)
    with pytest.raises(Refused, match="is closed"):
        move_job(job, closed, by=bea)
    with pytest.raises(Refused, match="is kept in EUR, this job’s in GBP"):
        move_job(job, elsewhere(cast, currency="EUR"), by=bea)
    with pytest.raises(NotFound):
        move_job(job, cast.rival_work, by=bea)


def test_who_may_not(cast: Cast, session: Session) -> None:
    job, to, bea = whole(cast), elsewhere(cast), cast.actor(cast.bea)
    with pytest.raises(NotFound):
        move_job(job, to, by=replace(bea, walled_engagements=frozenset({to.id})))
    with pytest.raises(NotAllowed):
        move_job(job, to, by=replace(bea, walled_engagements=frozenset({cast.acme_work.id})))
    with pytest.raises(NotAllowed):
        move_job(job, to, by=replace(bea, permissions=bea.permissions - {Permission.JOB_EDIT}))
    with pytest.raises(NotAllowed):
        move_job(job, to, by=replace(bea, permissions=bea.permissions - {Permission.INVOICE_DRAFT}))


def test_nothing_is_left_with_somebody_who_must_not_see_it(cast: Cast, session: Session) -> None:
    job, to = whole(cast), elsewhere(cast)
    keep(Wall(person_id=cast.sam.id, engagement_id=to.id, reason="Conflict", created_at=clock.now()))
    with pytest.raises(Refused, match="Sam .*cannot be given work of “Elsewhere”"):
        move_job(job, to, by=cast.actor(cast.bea))


def test_the_database_keeps_what_is_recorded_with_its_job(cast: Cast, session: Session) -> None:
    job, to = whole(cast), elsewhere(cast)
    for statement in (
        "UPDATE time_entry SET engagement_id = :to WHERE job_id = :job",
        "UPDATE job SET engagement_id = :to WHERE id = :job",
    ):
        with pytest.raises(sa.exc.DBAPIError, match="engagement"), session.begin_nested():
            session.execute(sa.text(statement), {"to": to.id, "job": job.id})
            session.execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"))


def test_it_is_moved_on_its_page_and_the_message_undoes_it(client: FlaskClient, cast: Cast, session: Session) -> None:
    job, to = whole(cast), elsewhere(cast)
    bea = sign_in(client, cast.bea)
    url = f"/jobs/{job.id}/engagement"
    assert url in bea.get(f"/jobs/{job.id}").text
    page = bea.get(url).text
    assert "Elsewhere" in page and cast.acme_work.name in page
    stale = post(bea, url, {"version": "99", "engagement": str(to.id)})
    assert stale.status_code in (409, 200, 422) and session.get_one(Job, job.id).engagement_id == cast.acme_work.id
    version = str(session.get_one(Job, job.id).version)
    done = post(bea, url, {"version": version, "engagement": str(to.id)})
    assert done.status_code == 303, done.text
    page = bea.get(f"/jobs/{job.id}").text
    assert "The job is moved, with 2 entries" in page and "Elsewhere" in page
    undo = re.search(r'"(/undo[^"]+)"', page)
    assert undo
    post(bea, undo[1].replace("&amp;", "&"))
    session.expire_all()
    assert session.get_one(Job, job.id).engagement_id == cast.acme_work.id
    assert "moved the job to “Elsewhere”, with 2 entries" in bea.get(f"/timeline/job/{job.id}").text
