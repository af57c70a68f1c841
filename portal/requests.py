"""Answering a request: one page of things, each saved by itself, handed over in parts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from uuid import UUID

from flask import Blueprint, Response, flash, g, jsonify, render_template, request, url_for
from flask_babel import gettext as _

from app.core import clock
from app.core.errors import NotFound, Refused
from app.core.ids import parse_id
from app.core.web import Answer, arg, asks_for_json, error_page, is_htmx, me, redirect_to
from app.core.wording import moment
from app.documents.queries import list_under_way
from app.requests.answers import chosen, currency_of, in_words, typed_again
from app.requests.commands.answering import (
    change_answer,
    clear_answer,
    mark_viewed,
    remove_file,
    save_answer,
    set_not_applicable,
    submit_answers,
)
from app.requests.models import ClientRequest, ItemState, RequestItem
from app.requests.queries import WholeRequest, get_item, get_item_to_answer, get_request, get_whole_request
from portal.door import chosen_clients, signed_in_only
from portal.readings import list_asked
from portal.whole_form import MOST_BY_FORM, Refusal, save_all

blueprint = Blueprint("requests", __name__, url_prefix="/requests")


@blueprint.context_processor
def words() -> dict[str, object]:
    return {"saved_at_of": _saved_at, "most_by_form": MOST_BY_FORM, "typed_again": typed_again,
            "chosen_options": chosen, "in_words": in_words, "amounts_in": _amounts_in}


def _amounts_in(item: RequestItem) -> str:
    """The currency that amounts are answered in; once a page, for all its items are one client's."""
    if "amounts_in" not in g:
        g.amounts_in = currency_of(item)
    return str(g.amounts_in)


@blueprint.get("/")
@signed_in_only
def index() -> Answer:
    clients = chosen_clients()
    return render_template(
        "portal/requests/index.html", asked=list_asked(clients, seen_by=me()),
        closed=list_asked(clients, seen_by=me(), closed=True),
    )


@blueprint.get("/<uuid:request_id>")
def show(request_id: UUID) -> Answer:
    whole = get_whole_request(request_id, seen_by=me())
    mark_viewed(whole.request, by=me())
    return render_template("portal/requests/show.html", **_page(whole))


def _page(whole: WholeRequest) -> dict[str, object]:
    """What was sent back stands first; everything else stays where it was."""
    asked = whole.request
    g.amounts_in = asked.client.currency
    items = sorted(asked.items, key=lambda item: (item.state is not ItemState.RETURNED, item.position))
    is_late = asked.is_with_client and asked.due_on is not None and asked.due_on < clock.today()
    return {"asked": asked, "items": items, "earlier": whole.earlier, "refused": {}, "said": "",
            "period": whole.period, "is_late": is_late,
            "under_way": list_under_way(seen_by=me()) if asked.is_open and whole.has_under_way else (),
            **_progress(asked)}


def _progress(asked: ClientRequest) -> dict[str, object]:
    ready = [item for item in asked.items if item.is_to_come and item.has_something]
    done = [item for item in asked.items if not item.is_to_come]
    missing = [item for item in asked.items if item.required and item.is_to_come and not item.has_something]
    return {"ready": ready, "done": done, "missing": missing}


@blueprint.get("/<uuid:request_id>/progress")
def show_progress(request_id: UUID) -> Answer:
    asked = get_request(request_id, seen_by=me())
    return render_template("portal/requests/_progress.html", asked=asked, **_progress(asked))


@blueprint.get("/<uuid:request_id>/items/<uuid:item_id>/files")
def show_files(request_id: UUID, item_id: UUID) -> Answer:
    return render_template("portal/requests/_files.html", item=_same(get_item(item_id, seen_by=me()), request_id))


def _same(item: RequestItem, request_id: UUID) -> RequestItem:
    """An item under another request's address is not there."""
    if item.request_id != request_id:
        raise NotFound()
    return item


@blueprint.post("/<uuid:request_id>/items/<uuid:item_id>/answer")
def create_answer(request_id: UUID, item_id: UUID) -> Answer:
    item = _same(get_item_to_answer(item_id, seen_by=me()), request_id)
    return _saved(item, lambda: save_answer(item, request.form.getlist("value"), by=me()))


@blueprint.post("/<uuid:request_id>/items/<uuid:item_id>/exception")
def create_exception(request_id: UUID, item_id: UUID) -> Answer:
    item = _same(get_item_to_answer(item_id, seen_by=me()), request_id)
    return _saved(item, lambda: set_not_applicable(item, request.form.get("because", ""), by=me()))


def _saved(item: RequestItem, command: Callable[[], dt.datetime]) -> Answer:
    """`Saved 10:42` for what saves itself; for a plain form the page again, with the refusal and what was typed."""
    base = request.headers.get("X-Saved-At")
    if base is not None and base != _saved_at(item):
        return error_page(409, _("This was answered elsewhere in the meantime."))
    try:
        saved_at = command()
    except Refused as refusal:
        if is_htmx():
            return Response(refusal.message, status=422, mimetype="text/plain")
        refused = Refusal(refusal.message, request.form.getlist("value"), request.form.get("because", ""))
        return _again(item.request_id, {item.id: refused})
    said = _("Saved %(time)s", time=moment(saved_at))
    if is_htmx():
        return Response(said, mimetype="text/plain", headers={"X-Saved-At": _saved_at(item)})
    return _back(item, said)


def _saved_at(item: RequestItem) -> str:
    """When an answer was last saved, for comparing: a page that was left for days may not know the newest one."""
    return item.saved_at.astimezone(dt.UTC).isoformat() if item.saved_at else ""


def _again(request_id: UUID, refused: dict[UUID, Refusal], said: str = "") -> Answer:
    """The page once more, with what was refused and what was typed there."""
    page = _page(get_whole_request(request_id, seen_by=me()))
    return render_template("portal/requests/show.html", **page | {"refused": refused, "said": said}), 422


@blueprint.post("/<uuid:request_id>/items/<uuid:item_id>/clearing")
def create_clearing(request_id: UUID, item_id: UUID) -> Answer:
    item = _same(get_item_to_answer(item_id, seen_by=me()), request_id)
    clear_answer(item, by=me())
    return _item(item_id, _("Cleared"))


@blueprint.post("/<uuid:request_id>/items/<uuid:item_id>/change")
def create_change(request_id: UUID, item_id: UUID) -> Answer:
    item = _same(get_item(item_id, seen_by=me()), request_id)
    refused = _save_whole(request_id)
    change_answer(item, by=me())
    return _again(request_id, refused) if refused else _item(item_id)


@blueprint.post("/<uuid:request_id>/items/<uuid:item_id>/files/<uuid:document_id>/removal")
def create_removal(request_id: UUID, item_id: UUID, document_id: UUID) -> Answer:
    item = _same(get_item(item_id, seen_by=me()), request_id)
    refused = _save_whole(request_id)
    remove_file(item, document_id, by=me())
    return _again(request_id, refused) if refused else _item(item_id)


def _save_whole(request_id: UUID) -> dict[UUID, Refusal]:
    """Without script a button sends the whole page; with it, what was typed has its own way."""
    return {} if is_htmx() else save_all(get_request(request_id, seen_by=me()), by=me())


def _item(item_id: UUID, message: str = "") -> Answer:
    item = get_item(item_id, seen_by=me())
    if not is_htmx():
        return _back(item, message)
    return render_template("portal/requests/_item.html", item=item, earlier={}, asked=item.request, refused={})


def _back(item: RequestItem, message: str) -> Answer:
    return redirect_to(url_for("portal.requests.show", request_id=item.request_id) + f"#item-{item.id}", message)


@blueprint.post("/<uuid:request_id>/saving")
def create_saving(request_id: UUID) -> Answer:
    """Without script: keep everything typed and chosen so far, and stay."""
    asked = get_request(request_id, seen_by=me())
    if refused := save_all(asked, by=me()):
        return _again(request_id, refused)
    item_id = parse_id(arg("item"))
    at = f"#item-{item_id}" if item_id else ""
    saved = _("Saved %(time)s", time=moment(clock.now()))
    return redirect_to(url_for("portal.requests.show", request_id=request_id) + at, saved)


@blueprint.post("/<uuid:request_id>/submission")
def create_submission(request_id: UUID) -> Answer:
    """Save everything that the form carries, then hand over all that is answered."""
    if refused := save_all(get_request(request_id, seen_by=me()), by=me()):
        return _not_sent(request_id, refused, _("Nothing was sent yet: please look at what is marked. "
                                                "Everything else is saved."))
    asked = get_request(request_id, seen_by=me())
    try:
        handed_over = submit_answers(asked, by=me())
    except Refused as refusal:
        return _not_sent(request_id, {}, refusal.message)
    missing = [item for item in asked.items if item.required and item.is_to_come]
    thanks = _("Thank you, %(n)s sent. Still missing: %(m)s.", n=len(handed_over), m=len(missing)) if missing else _(
        "Thank you, that was everything. We will look at it and write if something is unclear."
    )
    url = url_for("portal.requests.show", request_id=request_id)
    if asks_for_json():
        flash(thanks)
        return jsonify(location=url)
    return redirect_to(url, thanks)


def _not_sent(request_id: UUID, refused: dict[UUID, Refusal], said: str) -> Answer:
    if not asks_for_json():
        return _again(request_id, refused, said)
    answer = jsonify(message=said, items={str(item_id): one.message for item_id, one in refused.items()})
    answer.status_code = 422
    return answer
