"""Small acts: each does what it says, once; tells of it once; and not for whoever may not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from app.activity.models import Event
from app.catalogue.commands import (
    DeadlineValues,
    RequestValues,
    add_deadline,
    add_stage,
    archive_service,
    draft_next_version,
    edit_stage,
    edit_template,
    move_stage,
    move_step,
    remove_deadline,
    remove_request,
    restore_service,
    save_request,
)
from app.catalogue.commands.library import install_service
from app.catalogue.commands.stages import StageValues
from app.catalogue.due_rules import DueRule
from app.catalogue.library import find_library_service
from app.catalogue.models import JobTemplate, Service, Stage, TemplateRequest, TemplateState, TemplateStep
from app.clients.commands import EngagementFacts, update_engagement
from app.core import locking
from app.core.clock import now, today
from app.core.db import db, transaction
from app.core.errors import Conflict, NotAllowed, NotFound, Refused
from app.core.ids import new_id
from app.delivery.commands import copy_mail, send_mail
from app.delivery.models import Delivery
from app.documents.commands.serving import share_document, unshare_document
from app.documents.commands.uploads import NewFile
from app.documents.models import Document
from app.jobs.commands.jobs import set_priority
from app.jobs.commands.tasks import tick_item
from app.jobs.models import ChecklistItem
from app.notifications.commands import mark_read
from app.notifications.models import Notice
from app.runs.commands import can_run, resume_run, start_run, stop_run
from app.runs.models import Run
from app.timekeeping.commands.expenses import ExpenseFacts, add_receipt, delete_expense, record_expense
from app.timekeeping.commands.timers import note_timer, start_timer
from app.timekeeping.models import Expense
from app.timekeeping.targets import Target
from tests.jobs.make_jobs import make_job, make_task
from tests.make import Cast, count, keep
from tests.planning.make_planning import make_service


def told(kind: str) -> int:
    return db.session.scalar(sa.select(sa.func.count()).where(Event.kind == kind)) or 0


def twice(act: Callable[[], object], kind: str) -> None:
    """The second time it changes nothing, and nobody is told of it again."""
    act()
    assert told(kind) == 1
    act()
    assert told(kind) == 1


def test_a_jobs_priority_is_that_of_its_open_steps(cast: Cast) -> None:
    job = make_job(cast.acme_work)
    open_, done = make_task(job), make_task(job, "Done", state="done", done_at=now())
    twice(lambda: set_priority(job, priority=2, by=cast.actor(cast.mel)), "jobs.job.prioritised")
    db.session.expire_all()
    assert (job.priority, open_.priority, done.priority) == (2, 2, 0)
    with pytest.raises(Refused, match="normal, high or urgent"):
        set_priority(job, priority=3, by=cast.actor(cast.mel))
    with pytest.raises((NotAllowed, NotFound)):
        set_priority(make_job(cast.rival_work), priority=1, by=cast.actor(cast.wes))


def test_a_line_of_a_checklist_is_ticked_once_and_unticked_once(cast: Cast) -> None:
    sam = cast.actor(cast.sam)
    task, other = make_task(make_job(cast.acme_work)), make_task(make_job(cast.acme_work))
    line = keep(ChecklistItem(task_id=task.id, position=0, text="Bank agrees"))
    twice(lambda: tick_item(line, task, done=True, by=sam), "jobs.checklist.ticked")
    assert line.done_at is not None and line.done_by == sam.id
    twice(lambda: tick_item(line, task, done=False, by=sam), "jobs.checklist.unticked")
    assert line.done_at is None and line.done_by is None
    with pytest.raises(NotFound):
        tick_item(line, other, done=True, by=sam)
    with pytest.raises((NotAllowed, NotFound)):
        tick_item(line, task, done=True, by=cast.contact(cast.cleo))


def test_whoever_ticks_second_goes_by_what_the_first_has_left(cast: Cast) -> None:
    task = make_task(make_job(cast.acme_work))
    line = keep(ChecklistItem(task_id=task.id, position=0, text="Bank agrees"))
    db.session.execute(  # somebody else, just now
        sa.update(ChecklistItem).values(done_at=now(), done_by=cast.mel.id).execution_options(synchronize_session=False)
    )
    tick_item(line, task, done=True, by=cast.actor(cast.sam))
    assert line.done_by == cast.mel.id and told("jobs.checklist.ticked") == 0


def test_a_document_is_shared_and_taken_back_once(cast: Cast) -> None:
    mel = cast.actor(cast.mel)
    paper = keep(Document(
        id=new_id(), client_id=cast.acme.id, name="a.pdf", size=5, added_kind="person", added_by=mel.id,
        created_at=now(),
    ))
    twice(lambda: share_document(paper, by=mel), "documents.document.shared")
    assert paper.client_sees
    twice(lambda: unshare_document(paper, by=mel), "documents.document.unshared")
    assert not paper.client_sees
    for stranger in (cast.contact(cast.cleo), cast.contact(cast.otto)):
        with pytest.raises((NotAllowed, NotFound)):
            share_document(paper, by=stranger)


def test_a_stage_is_added_once_at_the_end_and_changed(cast: Cast) -> None:
    mel, (service, _template) = cast.actor(cast.mel), make_service()
    in_order = sa.select(Stage.name).where(Stage.service_id == service.id).order_by(Stage.position)
    names = list(db.session.scalars(in_order))
    stage_id, values = new_id(), StageValues("Filed", limit_days=7)
    twice(lambda: add_stage(service, stage_id, values, by=mel), "catalogue.stage.add")
    assert list(db.session.scalars(in_order)) == [*names, "Filed"]
    with pytest.raises(Conflict):
        add_stage(service, stage_id, StageValues("Sent"), by=mel)
    edit_stage(service, stage_id, StageValues("Sent off", client_words="Sent"), by=mel)
    stage = db.session.get_one(Stage, stage_id)
    assert (stage.name, stage.client_words, stage.limit_days) == ("Sent off", "Sent", None)
    assert told("catalogue.stage.edit") == 1
    for values, said in ((StageValues(""), "a name"), (StageValues(names[0]), "already"),
                         (StageValues("Z", limit_days=0), "between 1 and 3,650")):
        with pytest.raises(Refused, match=said):
            edit_stage(service, stage_id, values, by=mel)
    with pytest.raises(NotFound):
        edit_stage(service, new_id(), StageValues("Lost"), by=mel)


def test_what_is_at_its_end_already_is_not_moved_and_nobody_is_told(cast: Cast) -> None:
    mel, (service, _template) = cast.actor(cast.mel), make_service()
    draft = draft_next_version(service, by=mel)

    def keys() -> list[str]:
        return list(db.session.scalars(
            sa.select(TemplateStep.key).where(TemplateStep.template_id == draft.id).order_by(TemplateStep.position)
        ))

    first, *rest = keys()
    twice(lambda: move_step(draft, first, 99, by=mel), "catalogue.step.move")
    assert keys() == [*rest, first]
    move_stage(service, service.stages[0].id, -1, by=mel)
    assert told("catalogue.stage.move") == 0
    with pytest.raises(NotFound):
        move_step(draft, "no such step", 1, by=mel)


def test_a_request_of_a_draft_is_removed_and_none_of_another_version(cast: Cast) -> None:
    mel, (service, first) = cast.actor(cast.mel), make_service()
    draft = draft_next_version(service, by=mel)
    of = sa.select(TemplateRequest.id).where
    theirs = db.session.scalars(of(TemplateRequest.template_id == first.id)).one()
    mine = db.session.scalars(of(TemplateRequest.template_id == draft.id)).one()
    with pytest.raises(NotFound):
        remove_request(draft, theirs, by=mel)
    remove_request(draft, mine, by=mel)
    with pytest.raises(NotFound):
        remove_request(draft, mine, by=mel)
    assert told("catalogue.request.remove") == 1


def test_a_deadline_that_something_counts_from_stays(cast: Cast) -> None:
    mel, (service, _template) = cast.actor(cast.mel), make_service(request=False)
    draft = draft_next_version(service, by=mel)
    deadline = add_deadline(draft, DeadlineValues("UK-VAT"), by=mel)
    same: dict[str, Any] = {"title_pattern": draft.title_pattern, "priority": 0, "fee": None, "by": mel}
    edit_template(draft, due_rule=DueRule(f"deadline:{deadline.code}", ()), **same)
    with pytest.raises(Refused, match="due date still counts"):
        remove_deadline(draft, deadline.id, by=mel)
    edit_template(draft, due_rule=None, **same)
    remove_deadline(draft, deadline.id, by=mel)
    with pytest.raises(NotFound):
        remove_deadline(draft, deadline.id, by=mel)
    assert told("catalogue.deadline.remove") == 1


def test_a_service_is_archived_and_brought_back_once(cast: Cast) -> None:
    mel, (service, _template) = cast.actor(cast.mel), make_service()
    twice(lambda: archive_service(service, by=mel), "catalogue.service.archive")
    assert service.archived_at is not None
    twice(lambda: restore_service(service, by=mel), "catalogue.service.restore")
    assert service.archived_at is None


def test_who_may_not_edit_services_changes_nothing_of_them(cast: Cast) -> None:
    service, template = make_service()
    for stranger in (cast.contact(cast.cleo), cast.actor(cast.sam)):
        acts: tuple[Callable[[], Any], ...] = (
            lambda by=stranger: archive_service(service, by=by),
            lambda by=stranger: restore_service(service, by=by),
            lambda by=stranger: add_stage(service, new_id(), StageValues("X"), by=by),
            lambda by=stranger: edit_stage(service, service.stages[0].id, StageValues("X"), by=by),
            lambda by=stranger: move_step(template, "post", 1, by=by),
            lambda by=stranger: remove_request(template, new_id(), by=by),
            lambda by=stranger: remove_deadline(template, new_id(), by=by),
            lambda by=stranger: save_request(template, new_id(), RequestValues("X"), by=by),
        )
        for act in acts:
            with pytest.raises(NotAllowed):
                act()


def test_a_notice_is_read_by_whose_it_is_only(cast: Cast) -> None:
    notice = keep(Notice(
        person_id=cast.pat.id, event_id=1, kind="jobs.role.set", subject_kind="job", subject_id=new_id(),
        client_id=cast.acme.id, data={}, created_at=now(),
    ))
    with pytest.raises(NotAllowed):
        mark_read(notice, by=cast.actor(cast.sam))
    mark_read(notice, by=cast.actor(cast.pat))
    first = notice.read_at
    mark_read(notice, by=cast.actor(cast.pat))
    assert first is not None and notice.read_at == first


def test_notes_of_a_timer_are_kept_as_typed_by_whose_it_is(cast: Cast) -> None:
    sam = cast.actor(cast.sam)
    timer = start_timer(new_id(), Target(engagement_id=cast.acme_work.id), by=sam)
    note_timer(timer, "  Matched 40 lines ", by=sam)
    assert timer.note == "Matched 40 lines"
    with pytest.raises(Refused, match="at most 5,000 characters"):
        note_timer(timer, "x" * 10_000, by=sam)
    with pytest.raises((NotAllowed, NotFound)):
        note_timer(timer, "Mine", by=cast.actor(cast.wes))
    assert timer.note == "Matched 40 lines"


def test_a_ready_service_is_installed_once_published_and_by_whoever_may_edit_services(cast: Cast) -> None:
    ready, mel = find_library_service("UK-VAT-QUARTER"), cast.actor(cast.mel)
    assert ready is not None
    for stranger in (cast.contact(cast.cleo), cast.actor(cast.sam)):
        with pytest.raises(NotAllowed):
            install_service(ready, by=stranger)
    first = install_service(ready, by=mel)
    twice(lambda: install_service(replace(ready, name="Another name"), by=mel), "catalogue.service.install")
    assert count(Service) == 1 and db.session.get_one(Service, first.id).name == ready.name
    template = db.session.scalars(sa.select(JobTemplate).where(JobTemplate.service_id == first.id)).one()
    assert template.state is TemplateState.PUBLISHED


def letter(cast: Cast, client: Any, link: str) -> Delivery:
    """About a client's engagement, by Mel."""
    with transaction():
        return send_mail(
            key=link, kind="test", to="cleo@client.example", subject="Please read", template="account_changed",
            context={"name": "Cleo", "what": link}, client_id=client.id, by=cast.actor(cast.mel),
        )


def test_a_letter_is_copied_once_to_the_address_that_holds_now(cast: Cast) -> None:
    sent, theirs = letter(cast, cast.acme, "Nothing secret."), letter(cast, cast.rival, "Of Rival.")
    for delivery, stranger in ((sent, cast.contact(cast.cleo)), (theirs, cast.actor(cast.wes))):
        with pytest.raises(NotAllowed):
            copy_mail(delivery, to="new@client.example", by=stranger)
    sam = cast.actor(cast.sam)
    for nobody in ("no address", "a@b.example, c@d.example", "x" * 10_000):
        with pytest.raises(Refused):
            copy_mail(sent, to=nobody, by=sam)
    with transaction():
        copy = copy_mail(sent, to="new@client.example", by=sam)
        assert copy_mail(sent, to="new@client.example", by=sam).id == copy.id
    assert (copy.recipient, copy.text, copy.sent_by) == ("new@client.example", sent.text, sam.id)
    assert (copy.client_id, copy.kind, copy.state) == (sent.client_id, sent.kind, sent.state)
    assert count(Delivery) == 3


def test_a_letter_that_has_lost_its_link_is_not_copied(cast: Cast) -> None:
    sent = letter(cast, cast.acme, "Open https://firm.example/portal/link/request/… please")
    with pytest.raises(Refused, match="link is gone"):
        copy_mail(sent, to="new@client.example", by=cast.actor(cast.sam))
    assert count(Delivery) == 1


def taxi(cast: Cast) -> Expense:
    facts = ExpenseFacts(spent_on=today(), net=Decimal(12), narrative="Taxi", engagement_id=cast.acme_work.id)
    return record_expense(new_id(), facts, by=cast.actor(cast.sam))


def test_a_receipt_is_added_once_to_an_expense_that_may_still_change(cast: Cast) -> None:
    expense, sam, file = taxi(cast), cast.actor(cast.sam), NewFile(new_id(), "taxi.jpg", 1000)
    for stranger in (cast.actor(cast.wes), cast.contact(cast.cleo), cast.contact(cast.otto)):
        with pytest.raises((NotAllowed, NotFound)):
            add_receipt(expense, file, by=stranger)
    first = add_receipt(expense, file, by=sam)
    assert add_receipt(expense, file, by=sam).id == first.id == expense.document_id and count(Document) == 1
    assert (first.client_id, first.folder, first.client_sees) == (cast.acme.id, "Receipts", False)
    with pytest.raises(Conflict):
        add_receipt(taxi(cast), file, by=sam)


def test_no_receipt_is_added_to_an_expense_that_has_just_been_deleted(cast: Cast) -> None:
    expense, other, sam = taxi(cast), taxi(cast), cast.actor(cast.sam)
    delete_expense(expense, by=sam)
    db.session.execute(  # by somebody else, just now
        sa.update(Expense).where(Expense.id == other.id).values(deleted_at=now(), open_value=0)
        .execution_options(synchronize_session=False)
    )
    for gone in (expense, other):
        with pytest.raises(NotFound):
            add_receipt(gone, NewFile(new_id(), "taxi.jpg", 1000), by=sam)
    assert count(Document) == 0


def test_no_contact_starts_stops_or_resumes_a_run(cast: Cast) -> None:
    run_id, cleo, sam = new_id(), cast.contact(cast.cleo), cast.actor(cast.sam)
    run = start_run(run_id, "test", "Nothing", [("One", {})], by=sam)
    assert can_run(sam, run) and not can_run(cleo, run)
    for act in (lambda: start_run(new_id(), "test", "Nothing", [("One", {})], by=cleo),
                lambda: stop_run(run, by=cleo), lambda: resume_run(run, by=cleo)):
        with pytest.raises(NotAllowed):
            act()
    assert start_run(run_id, "test", "Nothing", [("One", {})], by=sam).id == run.id and count(Run) == 1


def test_an_engagement_is_not_given_to_somebody_while_all_of_theirs_is_taken_away(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns: list[str] = []
    monkeypatch.setattr(locking, "follow_taken", lambda name, _keys: turns.append(name))
    facts = EngagementFacts(name=cast.acme_work.name, manager_id=cast.mel.id)
    update_engagement(cast.acme_work, facts, by=cast.actor(cast.mel))
    assert turns[0] == "turn of holding"
