"""What a client gave and what the firm shares."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from flask import Blueprint, redirect, render_template

from app.core.ids import new_id
from app.core.web import Answer, arg, me, page_number
from app.documents.commands.serving import open_document
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
    """To storage, by a link that works for two minutes."""
    document = get_document(document_id, seen_by=me())
    return redirect(open_document(document, by=me(), inline=arg("inline") == "1"), 303)
