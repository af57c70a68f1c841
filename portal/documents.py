"""What a client gave and what the firm shares."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from flask import Blueprint, redirect, render_template, url_for

from app.core.ids import new_id
from app.core.viewing import show_file
from app.core.web import Answer, arg, me, page_number
from app.documents.commands.serving import (
    open_document,
    open_jpeg,
    show_document,
    shown_by_pass,
    thumbnail_of,
)
from app.documents.queries import DocumentFilters, get_document, list_documents, list_under_way
from portal.door import chosen_clients, signed_in_only

blueprint = Blueprint("documents", __name__, url_prefix="/documents")


@blueprint.get("/")
@signed_in_only
def index() -> Answer:
    return list_page(chosen_clients())


def list_page(clients: Collection[UUID], problem: str = "") -> str:
    """The documents of these clients; `problem` is why a file could not be taken."""
    filters = DocumentFilters(client_id=next(iter(clients)) if len(clients) == 1 else None, words=arg("q"),
                              with_refused=True)
    documents, has_next = list_documents(filters, seen_by=me(), page=page_number())
    return render_template("portal/documents/index.html", documents=documents, has_next=has_next, page=page_number(),
                           words=arg("q"), problem=problem, file_id=new_id(), under_way=list_under_way(seen_by=me()))


@blueprint.get("/<uuid:document_id>/file")
@signed_in_only
def show(document_id: UUID) -> Answer:
    """Where it is to be had: shown by us, or downloaded from storage by a link that works for two minutes."""
    document = get_document(document_id, seen_by=me())
    if arg("inline") == "1" and document.can_be_shown:
        token = show_document(document, by=me())
        return redirect(url_for("portal.documents.show_inside", document_id=document_id, token=token), 303)
    return redirect(open_document(document, by=me()), 303)


@blueprint.get("/<uuid:document_id>/view/<token>")
@signed_in_only
def show_inside(document_id: UUID, token: str) -> Answer:
    """The file itself, for whoever has just opened it; an old pass asks again."""
    shown = shown_by_pass(get_document(document_id, seen_by=me()), token, by=me())
    if shown is None:
        return redirect(url_for("portal.documents.show", document_id=document_id, inline=1), 303)
    return show_file(shown)


@blueprint.get("/<uuid:document_id>/thumbnail")
@signed_in_only
def show_thumbnail(document_id: UUID) -> Answer:
    return show_file(thumbnail_of(get_document(document_id, seen_by=me()), by=me()))


@blueprint.get("/<uuid:document_id>/jpeg")
@signed_in_only
def show_jpeg(document_id: UUID) -> Answer:
    """A phone's picture as everybody can open it."""
    return redirect(open_jpeg(get_document(document_id, seen_by=me()), by=me()), 303)
