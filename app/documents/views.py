"""The firm's screens of documents: a client's list, opening, sharing, uploading."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, jsonify, redirect, render_template, url_for

from app.clients.queries import get_client
from app.core.viewing import show_file
from app.core.web import Answer, arg, me, page_number, redirect_to, respond
from app.desk.guard import guard
from app.documents.commands.serving import (
    archive_document,
    open_document,
    open_jpeg,
    open_preview,
    share_document,
    show_document,
    shown_by_pass,
    thumbnail_of,
    unshare_document,
)
from app.documents.commands.uploads import abandon_upload, complete_upload, start_upload
from app.documents.models import Document
from app.documents.policy import can_edit_document
from app.documents.queries import DocumentFilters, get_document, list_documents, names_of_adders
from app.documents.upload_bodies import digests, new_file, plan_answer

blueprint = guard(Blueprint("documents", __name__))


@blueprint.get("/clients/<uuid:client_id>/documents")
def client_section(client_id: UUID) -> Answer:
    client = get_client(client_id, seen_by=me())
    filters = DocumentFilters(client_id=client_id, words=arg("q"), from_client=arg("from") == "client")
    documents, has_next = list_documents(filters, seen_by=me(), page=page_number())
    return render_template(
        "documents/_of_client.html", client=client, documents=documents, has_next=has_next, page=page_number(),
        words=arg("q"), from_client=filters.from_client, adders=names_of_adders(documents, seen_by=me()),
    )


@blueprint.get("/documents/<uuid:document_id>/file")
def show(document_id: UUID) -> Answer:
    """Where it is to be had: shown by us, or downloaded from storage. Each opening is recorded."""
    document = get_document(document_id, seen_by=me())
    if arg("inline") == "1" and document.can_be_shown:
        token = show_document(document, by=me())
        return redirect(url_for("documents.show_inside", document_id=document_id, token=token), 303)
    return redirect(open_document(document, by=me()), 303)


@blueprint.get("/documents/<uuid:document_id>/view/<token>")
def show_inside(document_id: UUID, token: str) -> Answer:
    """The file itself, for whoever has just opened it; an old pass asks again."""
    shown = shown_by_pass(get_document(document_id, seen_by=me()), token, by=me())
    return show_file(shown) if shown else redirect(url_for("documents.show", document_id=document_id, inline=1), 303)


@blueprint.get("/documents/<uuid:document_id>/preview")
def show_preview(document_id: UUID) -> Answer:
    return show_file(open_preview(get_document(document_id, seen_by=me()), by=me()))


@blueprint.get("/documents/<uuid:document_id>/thumbnail")
def show_thumbnail(document_id: UUID) -> Answer:
    return show_file(thumbnail_of(get_document(document_id, seen_by=me()), by=me()))


@blueprint.get("/documents/<uuid:document_id>/jpeg")
def show_jpeg(document_id: UUID) -> Answer:
    return redirect(open_jpeg(get_document(document_id, seen_by=me()), by=me()), 303)


@blueprint.post("/documents/<uuid:document_id>/sharing")
def create_sharing(document_id: UUID) -> Answer:
    document = get_document(document_id, seen_by=me())
    share_document(document, by=me())
    return _row(document, "The client sees it now")


@blueprint.post("/documents/<uuid:document_id>/sharing/end")
def delete_sharing(document_id: UUID) -> Answer:
    document = get_document(document_id, seen_by=me())
    unshare_document(document, by=me())
    return _row(document, "The client no longer sees it")


def _row(document: Document, message: str) -> Answer:
    to = url_for("clients.show", client_id=document.client_id, section="documents")
    return respond("documents/_row.html", to=to, message=message, document=document,
                   adders=names_of_adders([document], seen_by=me()), may_edit=can_edit_document(me(), document))


@blueprint.post("/documents/<uuid:document_id>/archive")
def create_archive(document_id: UUID) -> Answer:
    document = get_document(document_id, seen_by=me())
    archive_document(document, by=me())
    return redirect_to(url_for("clients.show", client_id=document.client_id, section="documents"), "Put away")


@blueprint.post("/clients/<uuid:client_id>/uploads")
def create_upload(client_id: UUID) -> Answer:
    """A file for a client, straight to storage; with `?share=1` the client sees it as soon as it is checked."""
    get_client(client_id, seen_by=me())
    document = start_upload(new_file(), client_id=client_id, client_sees=arg("share") == "1", by=me())
    return _plan(document)


def _plan(document: Document) -> Answer:
    return jsonify(plan_answer(
        document, by=me(), plan=url_for("documents.show_upload", document_id=document.id),
        completion=url_for("documents.create_completion", document_id=document.id),
        abandonment=url_for("documents.create_abandonment", document_id=document.id),
    ))


@blueprint.get("/documents/<uuid:document_id>/upload")
def show_upload(document_id: UUID) -> Answer:
    return _plan(get_document(document_id, seen_by=me()))


@blueprint.post("/documents/<uuid:document_id>/completion")
def create_completion(document_id: UUID) -> Answer:
    get_document(document_id, seen_by=me())
    document = complete_upload(document_id, by=me(), digests=digests())
    return jsonify({"id": str(document.id), "state": document.state.value})


@blueprint.post("/documents/<uuid:document_id>/abandonment")
def create_abandonment(document_id: UUID) -> Answer:
    get_document(document_id, seen_by=me())
    abandon_upload(document_id, by=me())
    return jsonify({"id": str(document_id)})
