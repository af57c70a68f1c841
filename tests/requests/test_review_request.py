"""Reviewing what a client sent: single things, and the task that waited for them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa

from app.core.actors import SYSTEM
from app.core.clock import now, travel_to
from app.core.db import db
from app.core.errors import NotAllowed, NotFound, Refused
from app.jobs.models import Job, Task, TaskState
from app.requests.background import tell_what_was_returned
from app.requests.commands.answering import (
    answer_for_client,
    change_answer,
    save_answer,
    set_not_applicable,
    submit_answers,
)
from app.requests.commands.reviewing import accept_all, accept_item, return_item
from app.requests.commands.sending import cancel_request, reopen_request
from app.requests.models import ItemState, RequestLink, RequestState
from app.requests.queries import RequestFilters, get_request, list_requests
from tests.jobs.make_jobs import make_chain, make_job
from tests.requests.make_requests import NOTES, TURNOVER, fresh, item_of, mails, make_request


def asked_for_a_task(cast: Any, *items: Any) -> Any:
    job = make_job(cast.acme_work)
    first, _second = make_chain(job, "Collect records", "Prepare")
    request = make_request(cast, items=items or (TURNOVER, NOTES), job_id=job.id, task_id=first.id,
                           engagement_id=cast.acme_work.id)
    return request, job.id, first.id


def state_of(task_id: Any) -> TaskState:
    db.session.expire_all()
    return db.session.get_one(Task, task_id).state


def test_the_task_waits_from_sending_until_the_last_required_thing_is_accepted(cast: Any) -> None:
    request, job_id, task_id = asked_for_a_task(cast)
    assert state_of(task_id) is TaskState.WAITING
    assert db.session.get_one(Job, job_id).waiting_items == 1
    cleo, mel = cast.contact(cast.cleo), cast.actor(cast.mel)
    save_answer(item_of(request, "turnover"), ["120"], by=cleo)
    submit_answers(fresh(request), by=cleo)
    assert fresh(request).state is RequestState.SUBMITTED
    assert state_of(task_id) is TaskState.WAITING, "submitted is not accepted"
    accept_item(item_of(request, "turnover"), by=mel)
    assert fresh(request).state is RequestState.ACCEPTED
    assert state_of(task_id) is TaskState.READY
    job = db.session.get_one(Job, job_id)
    assert (job.waiting_items, job.waiting_total) == (0, 0)
    assert not db.session.scalars(sa.select(RequestLink).where(RequestLink.revoked_at.is_(None))).all()


def test_two_requests_for_one_task_must_both_be_accepted(cast: Any) -> None:
    request, job_id, task_id = asked_for_a_task(cast)
    other = make_request(cast, items=(TURNOVER,), name="One more thing", job_id=job_id, task_id=task_id,
                         engagement_id=cast.acme_work.id)
    cancel_request(fresh(request), by=cast.actor(cast.mel))
    assert state_of(task_id) is TaskState.WAITING
    cancel_request(fresh(other), by=cast.actor(cast.mel))
    assert state_of(task_id) is TaskState.READY


def test_a_thing_sent_back_is_told_once_for_all_and_counts_as_missing_again(cast: Any) -> None:
    request, job_id, _task = asked_for_a_task(cast, TURNOVER, NOTES)
    cleo, mel = cast.contact(cast.cleo), cast.actor(cast.mel)
    save_answer(item_of(request, "turnover"), ["120"], by=cleo)
    save_answer(item_of(request, "notes"), ["We moved."], by=cleo)
    submit_answers(fresh(request), by=cleo)
    return_item(item_of(request, "turnover"), "That is last year.", by=mel)
    return_item(item_of(request, "notes"), "Where to?", by=mel)
    assert fresh(request).state is RequestState.RETURNED
    assert db.session.get_one(Job, job_id).waiting_items == 1
    assert not mails("requests.request_returned")
    with travel_to(now() + dt.timedelta(minutes=6)):
        tell_what_was_returned()
        tell_what_was_returned()
    told = mails("requests.request_returned")
    assert len(told) == 1
    assert "That is last year." in told[0].text and "Where to?" in told[0].text


def test_sending_something_back_takes_a_reason(cast: Any) -> None:
    request, *_ = asked_for_a_task(cast)
    cleo = cast.contact(cast.cleo)
    save_answer(item_of(request, "turnover"), ["120"], by=cleo)
    submit_answers(fresh(request), by=cleo)
    with pytest.raises(Refused, match="Say what is wrong"):
        return_item(item_of(request, "turnover"), "  ", by=cast.actor(cast.mel))


def test_not_applicable_with_a_reason_is_an_answer_that_can_be_accepted(cast: Any) -> None:
    request, _job, task_id = asked_for_a_task(cast)
    cleo = cast.contact(cast.cleo)
    set_not_applicable(item_of(request, "turnover"), "We did not trade.", by=cleo)
    submit_answers(fresh(request), by=cleo)
    assert item_of(request, "turnover").state is ItemState.NOT_APPLICABLE
    accept_all(fresh(request), by=cast.actor(cast.mel))
    assert state_of(task_id) is TaskState.READY


def test_what_was_submitted_is_changed_only_after_taking_it_back(cast: Any) -> None:
    request, *_ = asked_for_a_task(cast)
    cleo = cast.contact(cast.cleo)
    save_answer(item_of(request, "turnover"), ["120"], by=cleo)
    submit_answers(fresh(request), by=cleo)
    with pytest.raises(Refused):
        save_answer(item_of(request, "turnover"), ["130"], by=cleo)
    change_answer(item_of(request, "turnover"), by=cleo)
    save_answer(item_of(request, "turnover"), ["130"], by=cleo)
    assert fresh(request).state is RequestState.IN_PROGRESS


def test_an_answer_given_for_the_client_says_who_entered_it(cast: Any) -> None:
    request, *_ = asked_for_a_task(cast)
    answer_for_client(item_of(request, "turnover"), ["99"], by=cast.actor(cast.sam))
    item = item_of(request, "turnover")
    assert (item.state, item.answered_kind, item.answered_by) == (ItemState.ANSWERED, "person", cast.sam.id)


def test_a_request_opened_again_makes_its_task_wait_and_sends_a_new_link(cast: Any) -> None:
    request, _job, task_id = asked_for_a_task(cast)
    mel = cast.actor(cast.mel)
    cancel_request(fresh(request), by=mel)
    reopen_request(fresh(request), by=mel)
    assert state_of(task_id) is TaskState.WAITING
    assert len(mails("requests.request_again")) == 1


def test_otto_and_wes_find_nothing(cast: Any) -> None:
    request = make_request(cast)
    rivals = make_request(cast, client=cast.rival, name="For Rival")
    with pytest.raises(NotFound):
        get_request(request.id, seen_by=cast.contact(cast.otto))
    with pytest.raises(NotFound):
        get_request(rivals.id, seen_by=cast.actor(cast.wes))
    seen, _more = list_requests(RequestFilters(), seen_by=cast.actor(cast.wes))
    assert [row.request.id for row in seen] == [request.id]
    with pytest.raises(NotAllowed):
        save_answer(item_of(request, "turnover"), ["1"], by=cast.contact(cast.otto))
    assert get_request(rivals.id, seen_by=SYSTEM).client_id == cast.rival.id
