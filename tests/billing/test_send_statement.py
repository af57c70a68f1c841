"""A statement of account is mailed with its PDF, to whoever gets the client's bills."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.activity.models import Event
from app.billing.commands.issue import approve_invoice
from app.billing.commands.statements import send_statement
from app.billing.queries.statements import Statement, statement_of
from app.clients.models import ClientContact
from app.core import clock
from app.core.actors import Actor
from app.core.db import db
from app.core.errors import NotAllowed, Refused
from app.core.ids import new_id
from app.core.storage import storage
from app.delivery.models import Delivery
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.make import Cast

PDF = b"%PDF-1.7 a statement"


@pytest.fixture
def account(session: Session, cast: Cast) -> Statement:
    make_rate("100")
    make_entry(cast)
    bea = cast.actor(cast.bea)
    approve_invoice(make_draft(cast), by=bea)
    return statement_of(cast.acme.id, "GBP", clock.today() - dt.timedelta(days=30), clock.today(), seen_by=bea)


def send(cast: Cast, account: Statement, *, by: Actor, send_id: UUID | None = None) -> list[str]:
    return list(send_statement(cast.acme, account, PDF, send_id=send_id or new_id(), by=by))


def mails() -> list[Delivery]:
    return list(db.session.scalars(sa.select(Delivery).where(Delivery.kind == "statement")))


def test_it_goes_out_once_with_what_is_owed_and_the_paper(cast: Cast, account: Statement) -> None:
    bea, send_id = cast.actor(cast.bea), new_id()
    assert send(cast, account, by=bea, send_id=send_id) == ["cleo@client.example"]
    assert send(cast, account, by=bea, send_id=send_id) == ["cleo@client.example"]  # pressed twice: one mail
    [mail] = mails()
    assert mail.recipient == "cleo@client.example" and "120.00" in mail.text and mail.client_id == cast.acme.id
    [paper] = mail.attachments
    assert storage().get(paper["key"]) == PDF and paper["name"] == f"statement-{clock.today()}.pdf"
    assert send(cast, account, by=bea) and len(mails()) == 2  # sent again on purpose
    told = sa.select(Event.client_id).where(Event.kind == "billing.statement.send")
    assert set(db.session.scalars(told)) == {cast.acme.id}


def test_nobody_to_mail_it_to_is_said_before_anything_is_kept(cast: Cast, account: Statement) -> None:
    db.session.execute(sa.delete(ClientContact))
    with pytest.raises(Refused):
        send(cast, account, by=cast.actor(cast.bea))
    assert not mails()


def test_it_is_sent_by_whoever_may_and_sees_the_client(cast: Cast, account: Statement) -> None:
    walled = replace(cast.actor(cast.bea), walled_clients=frozenset({cast.acme.id}))
    for actor in (cast.actor(cast.sam), cast.contact(cast.cleo), walled):
        with pytest.raises(NotAllowed):
            send(cast, account, by=actor)
    assert not mails()
