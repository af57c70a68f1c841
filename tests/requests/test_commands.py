"""Acts upon requests that no screen names: whose they are, what they leave behind, and nothing a second time."""

from __future__ import annotations

import datetime as dt
import io
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from app.activity.commands import run_reader, seal_events
from app.catalogue.models import TemplateRequest
from app.clients.models import ClientContact, ContactAddress, ContactSession
from app.core.actors import SYSTEM
from app.core.clock import now, today, travel_to
from app.core.db import db, transaction
from app.core.errors import Conflict, NotAllowed, NotFound, Refused, Throttled
from app.core.ids import new_id, token_hash
from app.core.permissions import Permission
from app.core.storage import storage
from app.delivery.models import Delivery
from app.documents.commands.uploads import NewFile
from app.documents.models import Document, DocumentState
from app.jobs.models import Job, Task, TaskState
from app.requests.background import link_again
from app.requests.commands.answering import (
    add_document_for_client,
    change_answer,
    give_item_file,
    remove_file,
    save_answer,
    start_plain_item_upload,
    submit_answers,
)
from app.requests.commands.asking import due_requests, hold_request, tell_unreachable
from app.requests.commands.links import ask_for_link_again, find_request_link, open_by_link, send_link_again
from app.requests.commands.refused_files import tell_again
from app.requests.commands.reminding import remind_again
from app.requests.commands.reviewing import (
    accept_item,
    forget_removed_file,
    mail_again,
    recount,
    return_item,
    return_refused_file,
    tell_returned,
)
from app.requests.commands.sending import cancel_request, mail_request, recipients_reachable
from app.requests.commands.writing import NewRequest, create_request, create_request_from_template
from app.requests.models import ClientRequest, ItemDocument, ItemState, Reminder, RequestItem, RequestState
from app.requests.queries import get_request
from tests.jobs.make_jobs import make_job, make_task, settle
from tests.make import Cast, count, keep, kept_from, lacking, make_contact, not_for
from tests.planning.make_planning import make_service
from tests.requests.make_requests import STATEMENTS, TURNOVER, fresh, item_of, link_in, mails, make_request
from tests.test_small_commands import told

HERE = "203.0.113.7"
PAPER = b"Opening balance 120.00"
Queued = list[tuple[str, dict[str, Any]]]


def token_of(request: ClientRequest) -> str:
    """The link of the mail that asked for it."""
    return link_in(mails("requests.request")[-1]).rpartition("/")[2]


def a_file(size: int = len(PAPER), name: str = "October.txt") -> NewFile:
    return NewFile(new_id(), name, size)


def given(item: RequestItem, *, by: Any, file: NewFile | None = None) -> Document:
    return give_item_file(item, file or a_file(), io.BytesIO(PAPER), by=by)


def submitted(cast: Cast, **values: Any) -> ClientRequest:
    """Everything that Cleo was asked for, sent."""
    request, cleo = make_request(cast, items=(TURNOVER,), **values), cast.contact(cast.cleo)
    save_answer(item_of(request, "turnover"), ["120"], by=cleo)
    submit_answers(fresh(request), by=cleo)
    return fresh(request)


def refuse_file(document: Document, because: str = "This is not a file we can take.") -> None:
    db.session.execute(
        sa.update(Document).where(Document.id == document.id)
        .values(state=DocumentState.REJECTED, rejected_because=because)
    )
    db.session.expire_all()


def test_a_file_that_came_with_the_form_is_tied_to_its_item_once(cast: Cast, queued: Queued) -> None:
    request, cleo, file = make_request(cast), cast.contact(cast.cleo), a_file()
    document = given(item_of(request, "statements"), by=cleo, file=file)
    given(item_of(request, "statements"), by=cleo, file=file)
    assert document.state is DocumentState.RECEIVED and document.client_sees
    assert (document.client_id, document.name, document.folder) == (cast.acme.id, "October.txt", request.name)
    assert storage().size(document.incoming_key or "") == len(PAPER)
    assert count(ItemDocument) == 1 and told("documents.document.received") == 1
    assert [name for name, _payload in queued].count("documents.check") == 1
    assert fresh(request).state is RequestState.IN_PROGRESS


def test_no_file_is_given_for_what_takes_none_is_over_or_is_anothers(cast: Cast) -> None:
    request, cleo, mel = make_request(cast), cast.contact(cast.cleo), cast.actor(cast.mel)
    not_for((cast.contact(cast.otto), lacking(mel, Permission.REQUEST_EDIT)),
            lambda by: given(item_of(request, "statements"), by=by))
    for item, file in ((item_of(request, "turnover"), a_file()), (item_of(request, "statements"), a_file(size=0))):
        with pytest.raises(Refused):
            given(item, by=cleo, file=file)
    cancel_request(fresh(request), by=mel)
    with pytest.raises(NotAllowed):
        given(item_of(request, "statements"), by=cleo)
    theirs = make_request(cast, client=cast.rival)
    not_for((cast.actor(cast.wes), cleo), lambda by: given(item_of(theirs, "statements"), by=by))
    assert count(ItemDocument) == count(Document) == 0


def test_a_requests_link_opens_that_request_for_its_contact_until_it_closes(cast: Cast) -> None:
    request = make_request(cast)
    token = token_of(request)

    def open_(by: Any = SYSTEM, token: str = token) -> Any:
        return open_by_link(token, by=by, agent="Test", address=HERE)

    not_for((cast.contact(cast.cleo), cast.actor(cast.mel)), open_)
    secret, found = open_()
    session = db.session.scalars(sa.select(ContactSession)).one()
    assert session.token_hash == token_hash(secret)
    assert (session.contact_id, session.request_id) == (cast.cleo.id, request.id)
    assert (found.request_id, found.client_id) == (request.id, cast.acme.id)
    assert open_(token="x" * 10_000) is None
    cancel_request(fresh(request), by=cast.actor(cast.mel))
    assert open_() is None and count(ContactSession) == 1 and told("clients.session.opened") == 1


def test_a_link_opens_nothing_for_a_contact_who_sees_the_client_no_more(cast: Cast) -> None:
    token = token_of(make_request(cast))
    db.session.execute(sa.update(ClientContact).values(portal_access=False))
    assert open_by_link(token, by=SYSTEM, agent="Test", address=HERE) is None and count(ContactSession) == 0


def test_a_link_is_asked_for_again_by_its_holder_and_six_times(cast: Cast, queued: Queued) -> None:
    token = token_of(make_request(cast))
    queued.clear()
    not_for((cast.contact(cast.cleo), cast.actor(cast.mel)), lambda by: ask_for_link_again(token, by=by, address=HERE))
    assert queued == []
    for _ in range(6):
        ask_for_link_again(token, by=SYSTEM, address=HERE)
    assert [name for name, _payload in queued] == ["requests.link_again"] * 6
    with pytest.raises(Throttled):
        ask_for_link_again(token, by=SYSTEM, address=HERE)


def test_a_link_that_leads_nowhere_is_asked_for_alike_and_nothing_comes_of_it(cast: Cast, queued: Queued) -> None:
    tokens = ("never one", token_of(make_request(cast)))
    queued.clear()
    for token in tokens:
        ask_for_link_again(token, by=SYSTEM, address=HERE)
    never, one = queued
    assert (never[0], set(never[1])) == (one[0], set(one[1]))
    link_again(**never[1])
    assert mails("requests.request_again") == []
    link_again(**one[1])
    (mail,) = mails("requests.request_again")
    assert mail.recipient == "cleo@client.example" and link_in(mail).rpartition("/")[2] not in tokens


def test_a_fresh_link_goes_to_whoever_was_asked_while_the_request_is_open(cast: Cast) -> None:
    request = make_request(cast)
    not_for((cast.contact(cast.cleo), cast.actor(cast.mel)),
            lambda by: send_link_again(request.id, cast.cleo.id, by=by))
    nora = make_contact("Nora", cast.acme)
    for contact in (cast.otto, nora):  # of another client, and not asked
        send_link_again(request.id, contact.id, by=SYSTEM)
    send_link_again(new_id(), cast.cleo.id, by=SYSTEM)
    assert mails("requests.request_again") == []
    send_link_again(request.id, cast.cleo.id, by=SYSTEM)
    (mail,) = mails("requests.request_again")
    found = find_request_link(link_in(mail).rpartition("/")[2])
    assert mail.recipient == "cleo@client.example" and found is not None and not found.closed
    cancel_request(fresh(request), by=cast.actor(cast.mel))
    send_link_again(request.id, cast.cleo.id, by=SYSTEM)
    assert len(mails("requests.request_again")) == 1


def test_what_is_due_to_be_asked_is_the_systems_to_know(cast: Cast) -> None:
    due = make_request(cast, sent=False, send_on=dt.date(2026, 1, 5))
    later = make_request(cast, sent=False, send_on=dt.date(2036, 1, 5))
    draft = make_request(cast, sent=False)
    held = make_request(cast, sent=False, send_on=dt.date(2026, 1, 5))
    hold_request(held, by=cast.actor(cast.mel))
    not_for((cast.actor(cast.pat), cast.contact(cast.cleo)), lambda by: due_requests(by=by))
    with travel_to(dt.datetime(2026, 3, 4, 12, tzinfo=dt.UTC)):
        assert list(due_requests(by=SYSTEM)) == [due.id] and later.send_on != draft.send_on
        cast.acme.archived_at = now()
        db.session.flush()
        assert list(due_requests(by=SYSTEM)) == []


def test_that_nobody_can_be_written_to_is_said_once_by_whoever_may_ask(cast: Cast) -> None:
    request = make_request(cast, sent=False, client=cast.rival)
    not_for((cast.actor(cast.wes), cast.contact(cast.otto)), lambda by: tell_unreachable(request, by=by))
    assert request.unreachable_at is None
    for _twice in range(2):
        tell_unreachable(request, by=SYSTEM)
    assert request.unreachable_at is not None and told("requests.request.unreachable") == 1


def test_what_was_sent_back_is_mailed_once_with_its_reason(cast: Cast) -> None:
    request, mel = submitted(cast), cast.actor(cast.mel)
    return_item(item_of(request, "turnover"), "That is last year.", by=mel)
    not_for((cast.contact(cast.cleo), cast.contact(cast.otto), lacking(mel, Permission.REQUEST_EDIT)),
            lambda by: tell_returned(fresh(request), by=by))
    for _twice in range(2):
        tell_returned(fresh(request), by=SYSTEM)
    (mail,) = mails("requests.request_returned")
    assert "That is last year." in mail.text and fresh(request).tell_returned_at is None
    assert told("requests.request.returned") == 1


def test_what_was_sent_back_and_then_closed_is_told_to_nobody(cast: Cast) -> None:
    request, mel = submitted(cast), cast.actor(cast.mel)
    return_item(item_of(request, "turnover"), "That is last year.", by=mel)
    cancel_request(fresh(request), by=mel)
    tell_returned(fresh(request), by=SYSTEM)
    assert mails("requests.request_returned") == [] and told("requests.request.returned") == 0


def test_a_file_found_bad_sends_its_item_back_once_with_the_sentence(cast: Cast) -> None:
    job = make_job(cast.acme_work)
    request, cleo = make_request(cast, items=(STATEMENTS,), job_id=job.id), cast.contact(cast.cleo)
    document = given(item_of(request, "statements"), by=cleo)
    submit_answers(fresh(request), by=cleo)
    refuse_file(document)
    not_for((cleo, cast.actor(cast.pat)), lambda by: return_refused_file(document.id, by=by))
    for _twice in range(2):
        return_refused_file(document.id, by=SYSTEM)
    item = item_of(request, "statements")
    assert (item.state, item.return_reason) == (ItemState.RETURNED, "This is not a file we can take.")
    assert item.request.state is RequestState.RETURNED and item.request.tell_returned_at is not None
    assert told("requests.item.returned") == 1
    assert db.session.get_one(Job, job.id, populate_existing=True).waiting_items == 1


def test_an_item_with_a_good_file_beside_the_bad_one_stays(cast: Cast) -> None:
    request, cleo = make_request(cast, items=(STATEMENTS,)), cast.contact(cast.cleo)
    bad = given(item_of(request, "statements"), by=cleo)
    given(item_of(request, "statements"), by=cleo)
    submit_answers(fresh(request), by=cleo)
    refuse_file(bad)
    return_refused_file(bad.id, by=SYSTEM)
    assert item_of(request, "statements").state is ItemState.ANSWERED and told("requests.item.returned") == 0


def test_a_file_that_the_client_took_back_is_put_away_unless_it_answers_something_else(cast: Cast) -> None:
    request, cleo = make_request(cast, items=(STATEMENTS,)), cast.contact(cast.cleo)
    document = given(item_of(request, "statements"), by=cleo)
    not_for((cleo, cast.actor(cast.pat)), lambda by: forget_removed_file(document.id, by=by))
    forget_removed_file(document.id, by=SYSTEM)
    db.session.refresh(document)
    assert document.archived_at is None, "it still answers the item"
    remove_file(item_of(request, "statements"), document.id, by=cleo)
    forget_removed_file(document.id, by=SYSTEM)
    db.session.refresh(document)
    first = document.archived_at
    assert first is not None
    with travel_to(now() + dt.timedelta(hours=1)):
        forget_removed_file(document.id, by=SYSTEM)
    db.session.refresh(document)
    assert document.archived_at == first


def test_what_the_firm_brought_for_the_client_does_not_vanish_when_the_client_takes_it_off(cast: Cast) -> None:
    request, cleo, mel = make_request(cast, items=(STATEMENTS, TURNOVER)), cast.contact(cast.cleo), cast.actor(cast.mel)
    paper: Document = keep(Document(
        id=new_id(), client_id=cast.acme.id, name="By post.pdf", size=5, added_kind="person", added_by=cast.mel.id,
        created_at=now(),
    ))
    add_document_for_client(item_of(request, "statements"), paper, by=mel)
    db.session.expire_all()
    change_answer(item_of(request, "statements"), by=cleo)
    remove_file(item_of(request, "statements"), paper.id, by=cleo)
    while seal_events():
        pass
    while run_reader("requests.removed_files"):
        pass
    db.session.refresh(paper)
    assert count(ItemDocument) == 0 and paper.archived_at is None


def test_what_a_job_waits_for_is_counted_by_the_system(cast: Cast) -> None:
    job = make_job(cast.acme_work)
    task = make_task(job)
    settle(job)
    request = make_request(cast, items=(TURNOVER, STATEMENTS), job_id=job.id, task_id=task.id,
                           engagement_id=cast.acme_work.id)
    not_for((cast.contact(cast.cleo), cast.actor(cast.pat)), lambda by: recount(request.id, by=by))
    cleo = cast.contact(cast.cleo)
    save_answer(item_of(request, "turnover"), ["120"], by=cleo)
    submit_answers(fresh(request), by=cleo)
    assert db.session.get_one(Job, job.id, populate_existing=True).waiting_items == 2
    for _twice in range(2):
        recount(request.id)
        found = db.session.get_one(Job, job.id, populate_existing=True)
        assert (found.waiting_items, found.waiting_total) == (1, 2)
    assert db.session.get_one(Task, task.id, populate_existing=True).state is TaskState.WAITING
    accept_item(item_of(request, "turnover"), by=cast.actor(cast.mel))
    recount(new_id())  # of a request that is gone


def test_a_template_asks_once_a_job(cast: Cast) -> None:
    _service, template = make_service()
    blueprint = db.session.scalars(sa.select(TemplateRequest).where(TemplateRequest.template_id == template.id)).one()
    job, theirs = make_job(cast.acme_work), make_job(cast.rival_work)

    def ask(by: Any = SYSTEM, job: Job = job, **values: Any) -> ClientRequest:
        return create_request_from_template(
            job, blueprint, task_id=None, due_on=dt.date(2026, 12, 10), asked_on=None, by=by, **values
        )

    not_for((cast.contact(cast.cleo), lacking(cast.actor(cast.mel), Permission.REQUEST_EDIT)), ask)
    not_for((cast.actor(cast.wes),), lambda by: ask(by=by, job=theirs))
    first = ask()
    assert ask().id == first.id and told("requests.request.created") == 1
    made = get_request(first.id, seen_by=SYSTEM)
    assert made.state is RequestState.SCHEDULED and made.send_when_open and made.job_id == job.id
    assert [item.label for item in made.items] == ["Bank statements", "Any new loans?"]
    assert told("requests.request.unreachable") == 0


def test_one_that_nobody_would_get_says_so_as_it_is_made_unless_it_is_held(cast: Cast) -> None:
    _service, template = make_service()
    blueprint = db.session.scalars(sa.select(TemplateRequest).where(TemplateRequest.template_id == template.id)).one()
    db.session.execute(sa.delete(ContactAddress))
    for held in (True, False):
        create_request_from_template(
            make_job(cast.acme_work), blueprint, task_id=None, due_on=None, asked_on=None, held=held, by=SYSTEM
        )
        assert told("requests.request.unreachable") == (0 if held else 1)


def test_the_id_of_a_file_given_for_one_item_is_not_used_for_another(cast: Cast) -> None:
    request, other, cleo, file = make_request(cast), make_request(cast), cast.contact(cast.cleo), a_file()
    given(item_of(request, "statements"), by=cleo, file=file)
    with pytest.raises((Conflict, NotFound)):
        given(item_of(other, "statements"), by=cleo, file=file)
    assert count(ItemDocument) == 1


def test_a_mail_about_a_request_goes_to_a_contact_once_a_key_by_whoever_may_ask(cast: Cast) -> None:
    request, mel = make_request(cast), cast.actor(cast.mel)
    (to,) = recipients_reachable(request, by=SYSTEM)

    def mail(by: Any = mel) -> Delivery:
        with transaction():
            return mail_request(request, to, "request_again", "test", by=by)

    not_for((cast.contact(cast.cleo), lacking(mel, Permission.REQUEST_EDIT), kept_from(mel, cast.acme)), mail)
    assert mail().id == mail().id
    (sent,) = mails("requests.request_again")
    found = find_request_link(link_in(sent).rpartition("/")[2])
    assert found is not None and (sent.sent_by, sent.client_id) == (mel.id, cast.acme.id)


@pytest.mark.parametrize("again", [mail_again, remind_again, tell_again])
def test_a_mail_that_did_not_arrive_goes_again_once_by_whoever_may_ask(cast: Cast, again: Any) -> None:
    request, mel = make_request(cast), cast.actor(cast.mel)
    (sent,) = mails("requests.request")
    if again is remind_again:
        with pytest.raises(Refused, match="nothing left"):
            again(sent, by=mel)
        keep(Reminder(request_id=request.id, contact_id=cast.cleo.id, delivery_id=sent.id, sent_on=today()))
    else:
        assert sent.about_id == request.id
    with transaction():
        sent.sent_by = None
    not_for((cast.contact(cast.cleo), cast.contact(cast.otto), kept_from(mel, cast.acme), SYSTEM),
            lambda by: again(sent, by=by))
    not_for((lacking(mel, Permission.REQUEST_EDIT),), lambda by: again(sent, by=by))
    before = count(Delivery)
    with transaction():
        again(sent, by=mel)
    assert count(Delivery) == before + 1
    db.session.execute(sa.update(ClientContact).values(portal_access=False))
    db.session.expire_all()
    with pytest.raises(Refused):
        again(sent, by=mel)
    assert count(Delivery) == before + 1


def test_a_form_makes_one_request_for_a_client_by_whoever_may_ask(cast: Cast) -> None:
    values, mel = NewRequest(new_id(), cast.acme.id, "VAT return Q3", (TURNOVER,)), cast.actor(cast.mel)
    not_for((cast.contact(cast.cleo), lacking(mel, Permission.REQUEST_EDIT), kept_from(mel, cast.acme)),
            lambda by: create_request(values, by=by))
    first = create_request(values, by=mel)
    assert create_request(values, by=mel).id == first.id and told("requests.request.created") == 1
    assert (first.state, count(ClientRequest), count(RequestItem)) == (RequestState.DRAFT, 1, 1)
    for other in (replace(values, name="Another"), replace(values, client_id=cast.rival.id)):
        with pytest.raises((Conflict, NotFound)):
            create_request(other, by=mel)
    for wrong in (replace(values, items=()), replace(values, name="")):
        with pytest.raises(Refused):
            create_request(replace(wrong, id=new_id()), by=mel)
    assert count(ClientRequest) == 1


def test_a_plain_upload_begins_only_for_an_item_that_takes_files_while_it_is_open(cast: Cast) -> None:
    request, cleo = make_request(cast), cast.contact(cast.cleo)

    def begin(code: str, by: Any = cleo) -> Document:
        return start_plain_item_upload(item_of(request, code), new_id(), by=by)

    not_for((cast.contact(cast.otto), lacking(cast.actor(cast.mel), Permission.REQUEST_EDIT)),
            lambda by: begin("statements", by))
    with pytest.raises(Refused):
        begin("turnover")
    assert (begin("statements").folder, count(Document)) == (request.name, 1)
    cancel_request(fresh(request), by=cast.actor(cast.mel))
    with pytest.raises(NotAllowed):
        begin("statements")
