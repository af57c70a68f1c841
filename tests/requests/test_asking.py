"""A request is asked when it should be: at its moment, of whoever can be written to, never at night."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.activity.models import Event
from app.catalogue.queries import get_blueprint
from app.clients.models import ClientContact, ContactAddress
from app.core import clock
from app.core.actors import SYSTEM
from app.core.db import db
from app.core.errors import NotAllowed, NotFound, Refused
from app.core.proofs import run_proofs
from app.jobs.commands.tasks import complete_task, start_task
from app.jobs.models import Task, TaskState
from app.notifications.readers import _of_request_or_client
from app.planning.commands.create import create_planned_job
from app.planning.facts import client_facts, staffing
from app.planning.periods import PeriodKind, PeriodPattern
from app.planning.plans import Wish, plan_job
from app.requests.commands import asking
from app.requests.commands.asking import ask_due_requests, change_asking, hold_request, release_request
from app.requests.commands.sending import delete_draft, send_request
from app.requests.models import ClientRequest, RequestState
from app.requests.queries import get_request
from tests.jobs.make_jobs import make_chain, make_job
from tests.make import Cast, make_contact
from tests.planning.make_planning import make_service
from tests.requests.make_requests import fresh, mails, make_request
from tests.test_small_commands import told

NOVEMBER = dt.date(2026, 11, 15)


def moment(day: int, hour: int, minute: int = 0, month: int = 12) -> dt.datetime:
    return dt.datetime(2026, month, day, hour, minute, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def applied_in_november() -> Iterator[None]:
    """It is the afternoon of 25 November, before the period has ended."""
    with clock.travel_to(moment(25, 14, month=11)):
        yield


def make_planned(cast: Cast, client: Any = None, **values: Any) -> ClientRequest:
    """The request of a job about November, made while the month still runs."""
    service, template = make_service()
    client = client or cast.acme
    facts = client_facts([client.id], service.id, seen_by=SYSTEM)[client.id]
    planned = plan_job(
        facts, get_blueprint(template.id), service.name, Wish(PeriodPattern(PeriodKind.MONTH), NOVEMBER), staffing(),
        origin=f"test:{client.id}",
    )
    job_id, _made = create_planned_job(planned, by=cast.actor(cast.mel), **values)
    request = db.session.scalars(sa.select(ClientRequest).where(ClientRequest.job_id == job_id)).one()
    return get_request(request.id, seen_by=SYSTEM)


def ask_at(*args: int) -> int:
    with clock.travel_to(moment(*args)):
        return ask_due_requests(by=SYSTEM)


def step_of(request: ClientRequest) -> Task:
    return db.session.get_one(Task, request.task_id or request.id, populate_existing=True)


def kinds(session: Session) -> list[str]:
    return list(session.scalars(sa.select(Event.kind).where(Event.kind.like("requests.%")).order_by(Event.id)))


def remove_addresses(session: Session) -> None:
    session.execute(sa.delete(ContactAddress))


def test_papers_of_a_period_are_asked_for_on_the_day_after_it_and_once(cast: Cast, session: Session) -> None:
    request = make_planned(cast)
    assert request.state is RequestState.SCHEDULED and request.send_on == dt.date(2026, 12, 1) and not mails()
    assert [ask_at(30, 23, 59, 11), ask_at(1, 8, 59), ask_at(1, 9), ask_at(1, 9, 1)] == [0, 0, 1, 0]
    assert fresh(request).state is RequestState.SENT and len(mails("requests.request")) == 1
    assert kinds(session).count("requests.request.sent") == 1


def test_the_step_waits_for_what_is_not_asked_yet_and_says_so(cast: Cast) -> None:
    request = make_planned(cast)
    assert step_of(request).state is TaskState.WAITING
    with pytest.raises(Refused, match=r"“Collect” waits for the client: “Your papers” will be asked"):
        complete_task(step_of(request), by=cast.actor(cast.mel))
    assert not [
        each for _, found in run_proofs("requests", "jobs") for each in found if not each.note
    ]


def test_one_for_a_step_that_comes_later_is_asked_when_the_step_opens(cast: Cast) -> None:
    job = make_job(cast.acme_work)
    first, second = make_chain(job, "First", "Second", assignee_id=cast.sam.id)
    request = make_request(cast, sent=False, job_id=job.id, task_id=second.id, engagement_id=job.engagement_id,
                           send_when_open=True)
    assert step_of(request).state is TaskState.BLOCKED and ask_at(1, 12) == 0
    complete_task(first, by=cast.actor(cast.sam))
    assert step_of(request).state is TaskState.WAITING
    assert ask_at(1, 12) == 1 and fresh(request).state is RequestState.SENT


def test_nothing_goes_out_at_night_or_on_a_closed_day_unless_that_day_was_chosen(cast: Cast, session: Session) -> None:
    chosen = make_request(cast, sent=False, name="Saturday", send_on=dt.date(2026, 12, 5))
    late = make_request(cast, sent=False, name="Late", send_on=dt.date(2026, 12, 4), send_time=dt.time(19, 45))
    assert ask_at(4, 21) == 0, "its minute has passed, and it is night"
    assert ask_at(5, 9) == 1 and fresh(chosen).state is RequestState.SENT
    assert ask_at(6, 10) == 0, "a Sunday"
    assert ask_at(7, 6, 59) == 0 and ask_at(7, 7) == 1 and fresh(late).state is RequestState.SENT


def test_night_is_where_the_contact_is(cast: Cast, session: Session) -> None:
    cast.cleo.zone = "America/Los_Angeles"
    session.flush()
    make_request(cast, sent=False, send_on=dt.date(2026, 12, 1))
    assert [ask_at(1, 9), ask_at(1, 14, 59), ask_at(1, 15)] == [0, 0, 1]


def test_a_client_without_an_address_is_said_to_whoever_answers_for_it_and_asked_once_there_is_one(
    cast: Cast, session: Session
) -> None:
    remove_addresses(session)
    request = make_planned(cast)
    told = session.scalars(sa.select(Event).where(Event.kind == "requests.request.unreachable")).one()
    assert request.unreachable_at is not None and cast.mel.id in set(_of_request_or_client(told, {}))
    assert ask_at(1, 9) == 0 and step_of(request).state is TaskState.WAITING
    assert kinds(session).count("requests.request.unreachable") == 1, "said once, not at every try"
    with pytest.raises(Refused, match="not asked yet: nobody at Acme Ltd has both an e-mail address and access"):
        complete_task(step_of(request), by=cast.actor(cast.mel))
    make_contact("Nora New", cast.acme, is_primary=True)
    assert ask_at(1, 8) == 0 and ask_at(1, 9, 5) == 1
    sent = fresh(request)
    assert sent.state is RequestState.SENT and sent.unreachable_at is None


def test_one_whose_only_contact_left_meanwhile_is_found_out_at_its_moment(cast: Cast, session: Session) -> None:
    request = make_planned(cast)
    session.execute(sa.delete(ClientContact))
    assert ask_at(1, 9) == 0 and fresh(request).unreachable_at == moment(1, 9)
    assert ask_at(1, 9, 5) == 0 and kinds(session).count("requests.request.unreachable") == 1


def test_staff_hold_one_back_let_it_go_and_choose_another_day(cast: Cast) -> None:
    request, mel = make_planned(cast), cast.actor(cast.mel)
    hold_request(request, by=mel)
    hold_request(request, by=mel)
    assert ask_at(1, 9) == 0 and step_of(request).state is TaskState.WAITING
    for _twice in range(2):
        release_request(request, by=mel)
    assert told("requests.request.held") == told("requests.request.released") == 1
    change_asking(fresh(request), send_on=dt.date(2026, 12, 3), send_time=dt.time(11), by=mel)
    assert [ask_at(2, 12), ask_at(3, 10, 59), ask_at(3, 11)] == [0, 0, 1]
    with pytest.raises(Refused, match="held"):
        hold_request(fresh(request), by=mel)


def test_sending_now_goes_before_its_day_and_not_again_on_it(cast: Cast) -> None:
    request = make_planned(cast)
    send_request(request, by=cast.actor(cast.mel))
    assert ask_at(1, 9) == 0 and len(mails("requests.request")) == 1


def test_no_day_no_time_at_night(cast: Cast) -> None:
    with pytest.raises(Refused, match="nothing goes out by itself at night"):
        change_asking(make_planned(cast), send_on=NOVEMBER, send_time=dt.time(3), by=cast.actor(cast.mel))


def test_deleting_one_that_was_not_asked_opens_its_step(cast: Cast) -> None:
    request = make_planned(cast)
    task = step_of(request)
    delete_draft(request, by=cast.actor(cast.mel))
    db.session.refresh(task)
    assert task.state is TaskState.READY
    start_task(task, by=cast.actor(cast.mel))


def test_a_job_made_with_its_requests_held_asks_nobody(cast: Cast) -> None:
    request = make_planned(cast, hold_requests=True)
    assert request.held and ask_at(1, 9) == 0 and step_of(request).state is TaskState.WAITING


def test_otto_and_wes_neither_hold_nor_move_what_is_asked_of_rival(cast: Cast) -> None:
    make_contact("Rita", cast.rival, is_primary=True)
    request = make_planned(cast, cast.rival)
    with pytest.raises((NotAllowed, NotFound)):
        hold_request(request, by=cast.actor(cast.wes))
    with pytest.raises(NotAllowed):
        change_asking(request, send_on=NOVEMBER, send_time=dt.time(9), by=cast.contact(cast.otto))
    with pytest.raises(NotFound):
        get_request(request.id, seen_by=cast.contact(cast.otto))


def test_a_request_that_cannot_be_written_holds_up_no_other(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = make_planned(cast), make_planned(cast, cast.rival)
    real = asking.send_request

    def send(request: ClientRequest, **words: Any) -> Any:
        if request.id == first.id:
            raise LookupError("no template for this")
        return real(request, **words)

    monkeypatch.setattr(asking, "send_request", send)
    with pytest.raises(LookupError):
        ask_at(1, 9)
    assert fresh(first).state is RequestState.SCHEDULED and fresh(second).state is RequestState.SENT
