"""Two at the same moment: one client, one engagement, one primary contact."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app.clients.commands import ClientFacts, Standing, create_client, engagement_for_service, link_contact
from app.clients.models import Client, ClientContact, Contact, Engagement
from app.core.actors import SYSTEM
from app.core.db import db, transaction
from app.core.ids import new_id
from tests.make import count, make_cast, make_contact

pytestmark = pytest.mark.real


def at_once(app: Flask, work: Callable[[int], Any], times: int = 4) -> list[Exception]:
    """Do something in several threads that begin together; what went wrong in them."""
    gate, failed = threading.Barrier(times), []

    def one(n: int) -> None:
        with app.app_context():
            gate.wait()
            try:
                work(n)
            except Exception as error:
                failed.append(error)
            db.session.remove()

    threads = [threading.Thread(target=one, args=(n,)) for n in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failed


def test_a_double_click_makes_one_client_and_one_engagement(real_app: Flask) -> None:
    with real_app.app_context():
        with transaction():
            cast = make_cast()
            office_id, acme_id, contact = cast.office.id, cast.acme.id, make_contact("Jo", cast.rival)
        before = count(Client), count(Engagement)
        client_id, service_id, contact_id = new_id(), new_id(), contact.id

        def press(n: int) -> None:
            create_client(client_id, ClientFacts(name="Once Ltd", office_id=office_id), by=SYSTEM)
            engagement_for_service(db.session.get_one(Client, acme_id), service_id, "VAT", by=SYSTEM)
            link_contact(db.session.get_one(Client, acme_id), db.session.get_one(Contact, contact_id),
                         Standing(is_primary=bool(n % 2)), by=SYSTEM)

        assert at_once(real_app, press) == []
        db.session.rollback()
        assert (count(Client), count(Engagement)) == (before[0] + 1, before[1] + 1)
        primary = sa.select(sa.func.count()).where(ClientContact.client_id == acme_id, ClientContact.is_primary)
        assert db.session.scalar(primary) == 1
