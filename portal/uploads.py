"""Sending files: the browser asks here and sends to storage; a plain form does the same in one piece."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, current_app, jsonify, render_template, request, url_for
from flask_babel import gettext as _

from app.core.errors import NotFound, Refused
from app.core.ids import new_id, parse_id
from app.core.web import Answer, me, redirect_to, respond
from app.documents.commands.uploads import (
    NewFile,
    abandon_upload,
    cancel_under_way,
    complete_upload,
    plain_form,
    start_plain_upload,
    start_upload,
)
from app.documents.models import Document
from app.documents.queries import get_document, list_under_way
from app.documents.upload_bodies import digests, new_file, plan_answer
from app.requests.commands.answering import start_item_upload, start_plain_item_upload
from app.requests.models import RequestItem
from app.requests.queries import get_item, get_request, item_of_document
from portal.documents import list_page
from portal.door import named_client, signed_in_only
from portal.whole_form import save_all

blueprint = Blueprint("uploads", __name__)


@blueprint.post("/requests/<uuid:request_id>/items/<uuid:item_id>/uploads")
def create(request_id: UUID, item_id: UUID) -> Answer:
    """A file for an item. Asked again with the same id: what is still missing of it."""
    return _plan(start_item_upload(_item(request_id, item_id), new_file(), by=me()))


def _item(request_id: UUID, item_id: UUID) -> RequestItem:
    item = get_item(item_id, seen_by=me())
    if item.request_id != request_id:
        raise NotFound()
    return item


@blueprint.post("/documents/uploads")
@signed_in_only
def create_document() -> Answer:
    """A file that nobody asked for, for the client that its body names."""
    return _plan(start_upload(new_file(), client_id=named_client(), client_sees=True, by=me()))


@blueprint.post("/documents/plain-uploads")
@signed_in_only
def create_plain_document() -> Answer:
    """The same without script."""
    try:
        client_id = named_client()
    except Refused as refusal:
        return list_page(me().client_ids, refusal.message), 422
    file = NewFile(parse_id(request.form.get("id")) or new_id(), _("File from you"), 0)
    document = start_plain_upload(file, client_id=client_id, client_sees=True, by=me())
    return redirect_to(url_for("portal.uploads.show_form", document_id=document.id))


def _plan(document: Document) -> Answer:
    return jsonify(plan_answer(
        document, by=me(), plan=url_for("portal.uploads.show", document_id=document.id),
        completion=url_for("portal.uploads.create_completion", document_id=document.id),
        abandonment=url_for("portal.uploads.create_abandonment", document_id=document.id),
    ))


@blueprint.get("/uploads/<uuid:document_id>")
def show(document_id: UUID) -> Answer:
    """What is still to be sent: asked after a lost connection."""
    return _plan(get_document(document_id, seen_by=me()))


@blueprint.post("/uploads/<uuid:document_id>/completion")
def create_completion(document_id: UUID) -> Answer:
    get_document(document_id, seen_by=me())
    document = complete_upload(document_id, by=me(), digests=digests())
    if request.is_json:
        return jsonify({"id": str(document.id), "state": document.state.value})
    return redirect_to(_page_of(document.id), _("Your file has arrived. We are checking it."))


@blueprint.post("/uploads/<uuid:document_id>/abandonment")
def create_abandonment(document_id: UUID) -> Answer:
    get_document(document_id, seen_by=me())
    abandon_upload(document_id, by=me())
    return jsonify({"id": str(document_id)}) if request.is_json else _under_way()


@blueprint.get("/uploads")
def index() -> Answer:
    """What one began to send and has not sent whole, wherever it was begun."""
    return render_template("portal/_under_way.html", under_way=list_under_way(seen_by=me()))


@blueprint.post("/uploads/cancellation")
def create_cancellation() -> Answer:
    """Give up all of it, so that there is room again."""
    cancel_under_way(by=me())
    return _under_way()


def _under_way() -> Answer:
    back = request.form.get("back", "")
    where = url_for("portal.requests.show", request_id=back) if parse_id(back) else url_for("portal.documents.index")
    return respond("portal/_under_way.html", to=where, message=_("Cancelled"), under_way=list_under_way(seen_by=me()))


@blueprint.post("/requests/<uuid:request_id>/items/<uuid:item_id>/plain-uploads")
def create_plain(request_id: UUID, item_id: UUID) -> Answer:
    """Without script: a row for the file first, then a page whose form goes straight to storage."""
    item = _item(request_id, item_id)
    if refused := save_all(get_request(request_id, seen_by=me()), by=me()):
        raise Refused(next(iter(refused.values())).message)
    document = start_plain_item_upload(item, parse_id(request.form.get("id")) or new_id(), by=me())
    return redirect_to(url_for("portal.uploads.show_form", document_id=document.id))


@blueprint.get("/uploads/<uuid:document_id>/form")
def show_form(document_id: UUID) -> Answer:
    document = get_document(document_id, seen_by=me())
    back = current_app.config["SETTINGS"].public_url + url_for("portal.uploads.show_arrival", document_id=document_id)
    form = plain_form(document, redirect=back, by=me())
    return render_template("portal/requests/upload_form.html", form=form, document=document, back=_page_of(document_id))


@blueprint.get("/uploads/<uuid:document_id>/arrival")
def show_arrival(document_id: UUID) -> Answer:
    """Where storage sends the browser after a plain upload. Pressing the button hands the file over."""
    document = get_document(document_id, seen_by=me())
    return render_template("portal/requests/arrival.html", document=document, back=_page_of(document_id))


def _page_of(document_id: UUID) -> str:
    try:
        item = item_of_document(document_id, seen_by=me())
    except NotFound:
        return url_for("portal.documents.index")
    return url_for("portal.requests.show", request_id=item.request_id) + f"#item-{item.id}"
