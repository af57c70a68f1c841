"""The list of requests, one request, and what is done with it as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, render_template, request, url_for

from app.clients.queries import get_client
from app.core.clock import today
from app.core.ids import parse_id
from app.core.web import Answer, arg, id_arg, me, page_number, redirect_to, submit, unprocessable
from app.delivery.queries import list_mails_about
from app.desk.guard import guard
from app.documents.queries import names_of_adders
from app.firm.exports import hand_out
from app.jobs.queries.jobs import get_job
from app.requests.answers import chosen, in_words, typed_again
from app.requests.commands.asking import change_asking, hold_request, release_request, unlock_days
from app.requests.commands.reminding import remind_request, set_reminders
from app.requests.commands.reviewing import accept_all, tell_returned
from app.requests.commands.sending import cancel_request, delete_draft, reopen_request, send_request
from app.requests.forms import AskingForm
from app.requests.models import ClientRequest, RequestItem
from app.requests.policy import can_edit_request
from app.requests.queries import (
    PAGE,
    RequestFilters,
    RequestRow,
    count_in,
    count_requests,
    get_request,
    get_whole_request,
    last_reminded_on,
    list_requests,
    reachable_contacts,
    recipients_of,
)

blueprint = guard(Blueprint("requests", __name__, url_prefix="/requests"))
VIEWS = ("waiting", "submitted", "overdue", "drafts", "closed", "all")


@blueprint.get("")
def index() -> Answer:
    asked_for = arg("view") or arg("state")
    view = asked_for if asked_for in VIEWS else "waiting"
    client = get_client(client_id, seen_by=me()) if (client_id := id_arg("client")) else None
    found = RequestFilters(view=view, client_id=client_id)
    rows, has_next = list_requests(found, seen_by=me(), page=page_number())
    counts = count_requests(seen_by=me(), client_id=client_id)
    total = counts[view] if view in counts else count_in(found, seen_by=me())
    return render_template("requests/index.html", rows=rows, has_next=has_next, page=page_number(), view=view,
                           counts=counts, total=total, per_page=PAGE, client=client)


@blueprint.get("/export.csv")
def export() -> Response:
    view = arg("view") if arg("view") in VIEWS else "all"
    found = RequestFilters(view=view, client_id=id_arg("client"), job_id=id_arg("job"))
    actor = me()
    header = ("Client", "Request", "State", "Due", "Sent", "Things", "Still to come", "To review", "Reminders")
    return hand_out("requests", "requests.csv", header, lambda: _lines(found, actor), by=actor)


def _lines(found: RequestFilters, seen_by: Any) -> Iterator[tuple[Any, ...]]:
    page = 1
    while True:
        rows, has_next = list_requests(found, seen_by=seen_by, page=page, per_page=500)
        yield from (_line(row) for row in rows)
        if not has_next:
            return
        page += 1


def _line(row: RequestRow) -> tuple[Any, ...]:
    asked = row.request
    return (row.client_name, asked.name, asked.state, asked.due_on, asked.sent_at and asked.sent_at.date(), row.total,
            row.to_come, row.to_review, asked.reminders_sent)


@blueprint.get("/<uuid:request_id>")
def show(request_id: UUID) -> Answer:
    return render_template("requests/show.html", **page_of(request_id))


def page_of(request_id: UUID, **more: Any) -> dict[str, Any]:
    """Everything that the page of a request shows."""
    whole = get_whole_request(request_id, seen_by=me())
    asked = whole.request
    files = [link.document for item in asked.items for link in item.files]
    mails = list_mails_about(ClientRequest.__tablename__, asked.id, seen_by=me())
    return {
        "asked": asked, "in_words": in_words, "typed_again": typed_again, "chosen_options": chosen,
        "recipients": recipients_of(asked, seen_by=me()), "earlier": whole.earlier,
        "job": get_job(asked.job_id, seen_by=me()) if asked.job_id else None,
        "reminded_on": last_reminded_on(asked, seen_by=me()), "adders": names_of_adders(files, seen_by=me()),
        "reachable": reachable_contacts(asked.client_id, seen_by=me()) if asked.sent_at is None else (),
        "asking": _asking_form(asked), "may_edit": can_edit_request(me(), asked), "missing": _missing(asked.items),
        "mails": mails, "trouble": min((mail.state.value for mail in mails if mail.is_open), default=""),
        "to_review": [item for item in asked.items if item.is_to_review],
    } | more


def _asking_form(asked: ClientRequest) -> AskingForm | None:
    """The day and time of a request that will be asked by itself."""
    if not asked.is_scheduled:
        return None
    form = AskingForm(formdata=None, send_on=asked.send_on or today(), send_time=asked.send_time)
    form.version.data = str(asked.version)
    return form


def _missing(items: list[RequestItem]) -> list[RequestItem]:
    return [item for item in items if item.required and item.is_to_come]


def _done(asked: ClientRequest, message: str) -> Answer:
    return redirect_to(url_for("requests.show", request_id=asked.id), message)


def _act(request_id: UUID, command: Callable[..., Any], message: str) -> Answer:
    """Do with a request what needs nothing but the request, and say so."""
    asked = get_request(request_id, seen_by=me())
    command(asked, by=me())
    return _done(asked, message)


@blueprint.post("/<uuid:request_id>/sending")
def create_sending(request_id: UUID) -> Answer:
    asked = get_request(request_id, seen_by=me())
    chosen_ids = [found for text in request.form.getlist("contact") if (found := parse_id(text))]
    send_request(asked, contact_ids=chosen_ids, by=me())
    return _done(asked, f"On its way to {asked.client.name}")


@blueprint.post("/<uuid:request_id>/hold")
def create_hold(request_id: UUID) -> Answer:
    return _act(request_id, hold_request, "Held: it is not asked until you let it go")


@blueprint.post("/<uuid:request_id>/release")
def create_release(request_id: UUID) -> Answer:
    return _act(request_id, release_request, "It is asked at its moment")


@blueprint.post("/<uuid:request_id>/unlocking")
def create_unlocking(request_id: UUID) -> Answer:
    """Pressed on the page of the job's dates; back to it."""
    asked = get_request(request_id, seen_by=me())
    unlock_days(asked, by=me())
    at = f"/jobs/{asked.job_id}/dates" if asked.job_id else f"/requests/{asked.id}"
    return redirect_to(at, "Follows the job's dates again")


@blueprint.post("/<uuid:request_id>/asking")
def update_asking(request_id: UUID) -> Answer:
    asked = get_request(request_id, seen_by=me())
    form = AskingForm()
    changed = submit(form, lambda: change_asking(
        asked, send_on=form.send_on.data or today(), send_time=form.send_time.data or asked.send_time, by=me(),
        version=form.version.number,
    ))
    if not changed:
        return unprocessable("requests/show.html", **page_of(request_id, asking=form))
    return _done(asked, "It is asked on that day")


@blueprint.post("/<uuid:request_id>/reminder")
def create_reminder(request_id: UUID) -> Answer:
    return _act(request_id, remind_request, "A reminder is on its way")


@blueprint.post("/<uuid:request_id>/reminders")
def update_reminders(request_id: UUID) -> Answer:
    asked = get_request(request_id, seen_by=me())
    paused = request.form.get("paused") == "yes"
    set_reminders(asked, paused=paused, by=me())
    return _done(asked, "Reminders paused" if paused else "Reminders go on")


@blueprint.post("/<uuid:request_id>/acceptance")
def create_acceptance(request_id: UUID) -> Answer:
    asked = get_request(request_id, seen_by=me())
    accepted = accept_all(asked, by=me())
    return _done(asked, f"{accepted} accepted" if accepted else "Nothing waits for review")


@blueprint.post("/<uuid:request_id>/telling")
def create_telling(request_id: UUID) -> Answer:
    return _act(request_id, tell_returned, "The client has been told what was sent back")


@blueprint.post("/<uuid:request_id>/cancellation")
def create_cancellation(request_id: UUID) -> Answer:
    return _act(request_id, cancel_request, "Cancelled; its links no longer work")


@blueprint.post("/<uuid:request_id>/reopening")
def create_reopening(request_id: UUID) -> Answer:
    return _act(request_id, reopen_request, "Open again")


@blueprint.post("/<uuid:request_id>/deletion")
def delete(request_id: UUID) -> Answer:
    asked = get_request(request_id, seen_by=me())
    client = get_client(asked.client_id, seen_by=me())
    delete_draft(asked, by=me())
    return redirect_to(url_for("clients.show", client_id=client.id, section="requests"), "Draft deleted")
