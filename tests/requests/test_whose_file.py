"""A file answers only a request of its own client, whoever ties the two."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from app.activity.models import Event
from app.clients.models import ClientContact
from app.core.clock import now
from app.core.db import db, transaction
from app.core.errors import NotFound
from app.core.ids import new_id
from app.delivery.commands import send_mail
from app.documents.commands.serving import archive_document
from app.documents.models import Document
from app.requests.commands.answering import add_document_for_client
from app.requests.models import ItemDocument
from tests.make import keep, sign_in
from tests.requests.make_requests import item_of, make_request


def file_of(client: Any, cast: Any) -> Document:
    return keep(Document(
        id=new_id(), client_id=client.id, name="a.pdf", size=5, added_kind="person", added_by=cast.mel.id,
        created_at=now(),
    ))


def tied() -> int:
    return db.session.scalar(sa.select(sa.func.count()).select_from(ItemDocument)) or 0


def test_a_file_of_another_client_cannot_be_given_for_an_item(client: FlaskClient, cast: Any) -> None:
    item, other, own = item_of(make_request(cast), "statements"), file_of(cast.rival, cast), file_of(cast.acme, cast)
    with pytest.raises(NotFound):
        add_document_for_client(item, other, by=cast.actor(cast.mel))
    answer = sign_in(client, cast.mel).post(f"/request-items/{item.id}/files/{other.id}/completion")
    assert answer.status_code in (404, 422) and tied() == 0
    add_document_for_client(item_of(item.request, "statements"), own, by=cast.actor(cast.mel))
    assert tied() == 1


def test_the_database_ties_no_file_to_another_clients_item(cast: Any) -> None:
    item, other = item_of(make_request(cast), "statements"), file_of(cast.rival, cast)
    with pytest.raises(sa.exc.IntegrityError, match="of another client"), db.session.begin_nested():
        db.session.execute(
            sa.insert(ItemDocument).values(item_id=item.id, document_id=other.id, added_at=now())
        )


def test_a_document_is_archived_once_however_often_it_is_asked(cast: Any) -> None:
    document, mel = file_of(cast.acme, cast), cast.actor(cast.mel)
    archive_document(document, by=mel)
    first = document.archived_at
    archive_document(document, by=mel)
    assert document.archived_at == first
    told = sa.select(sa.func.count()).where(Event.kind == "documents.document.archived")
    assert db.session.scalar(told) == 1


def test_who_pays_for_others_reads_who_looks_after_themselves(cast: Any) -> None:
    cast.acme.manager_id, cast.rival.manager_id = cast.mel.id, cast.sam.id
    db.session.flush()

    def person(contact: Any) -> str:
        with transaction():
            mail = send_mail(
                key=str(new_id()), kind="test", to="x@acme.example", name="X", subject="Hello",
                template="email_changed", context={"name": "X", "email": "x@a.example"},
                client_id=cast.acme.id, contact_id=contact.id,
            )
        return next(line for line in mail.text.splitlines() if line.startswith("Looked after by "))

    assert person(cast.otto) == f"Looked after by {cast.sam.name}"
    assert person(cast.cleo) == f"Looked after by {cast.mel.name}"
    keep(ClientContact(client_id=cast.acme.id, contact_id=cast.otto.id, portal_access=False))
    assert person(cast.otto) == f"Looked after by {cast.mel.name}"
