"""Reviewing one thing after the other, and answering for the client."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, jsonify, render_template, request, url_for

from app.core.errors import Refused
from app.core.web import Answer, is_htmx, me, redirect_to, respond
from app.desk.guard import guard
from app.documents.commands.uploads import complete_upload
from app.documents.queries import get_document
from app.documents.upload_bodies import digests, new_file, plan_answer
from app.requests.commands.answering import (
    add_document_for_client,
    answer_for_client,
    set_not_applicable,
    start_item_upload,
)
from app.requests.commands.reviewing import accept_item, return_item
from app.requests.models import RequestItem
from app.requests.queries import get_item
from app.requests.views.list import page_of

blueprint = guard(Blueprint("request_items", __name__, url_prefix="/requests/items"))


def _row(item: RequestItem, message: str = "", **more: object) -> Answer:
    """The whole request again: what one thing does may finish it."""
    to = url_for("requests.show", request_id=item.request_id) + f"#item-{item.id}"
    return respond("requests/_request.html", to=to, message=message, **page_of(item.request_id, **more))


@blueprint.post("/<uuid:item_id>/acceptance")
def create_acceptance(item_id: UUID) -> Answer:
    item = get_item(item_id, seen_by=me())
    accept_item(item, by=me())
    return _row(item, "Accepted")


@blueprint.post("/<uuid:item_id>/return")
def create_return(item_id: UUID) -> Answer:
    item = get_item(item_id, seen_by=me())
    try:
        return_item(item, request.form.get("reason", ""), by=me())
    except Refused as refusal:
        return _refused(item, refusal, reason=request.form.get("reason", ""))
    return _row(item, "Sent back; the client is told in a few minutes, once for everything")


@blueprint.post("/<uuid:item_id>/answer")
def create_answer(item_id: UUID) -> Answer:
    item = get_item(item_id, seen_by=me())
    try:
        answer_for_client(item, request.form.getlist("value"), by=me())
    except Refused as refusal:
        return _refused(item, refusal, typed=request.form.getlist("value"))
    return _row(item, "Entered for the client")


@blueprint.post("/<uuid:item_id>/exception")
def create_exception(item_id: UUID) -> Answer:
    item = get_item(item_id, seen_by=me())
    try:
        set_not_applicable(item, request.form.get("because", ""), by=me())
    except Refused as refusal:
        return _refused(item, refusal, because=request.form.get("because", ""))
    return _row(item, "Marked as not applicable")


def _refused(item: RequestItem, refusal: Refused, **kept: object) -> Answer:
    template = "requests/_request.html" if is_htmx() else "requests/show.html"
    refused = {"item": item.id, "message": refusal.message} | kept
    return render_template(template, **page_of(item.request_id, refused=refused)), 422


@blueprint.post("/<uuid:item_id>/uploads")
def create_upload(item_id: UUID) -> Answer:
    """A file that came some other way, sent straight to storage; it counts as the client's answer."""
    item = get_item(item_id, seen_by=me())
    document = start_item_upload(item, new_file(), by=me())
    return jsonify(plan_answer(
        document, by=me(), plan=url_for("documents.show_upload", document_id=document.id),
        completion=url_for("request_items.create_completion", item_id=item.id, document_id=document.id),
        abandonment=url_for("documents.create_abandonment", document_id=document.id),
    ))


@blueprint.post("/<uuid:item_id>/files/<uuid:document_id>/completion")
def create_completion(item_id: UUID, document_id: UUID) -> Answer:
    get_document(document_id, seen_by=me())
    document = complete_upload(document_id, by=me(), digests=digests())
    add_document_for_client(get_item(item_id, seen_by=me()), document, by=me())
    return jsonify({"id": str(document.id), "state": document.state.value})


@blueprint.get("/<uuid:item_id>/request")
def show_request(item_id: UUID) -> Answer:
    item = get_item(item_id, seen_by=me())
    return redirect_to(url_for("requests.show", request_id=item.request_id))
