"""At the clients' door as a contact: signed in, or by a request's own link."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.clients.commands.contact_access import open_contact_session
from app.core.actors import SYSTEM
from app.core.db import db
from app.requests.models import ClientRequest


class PortalClient:
    """A browser at the portal; the test's own connection is handed back as the firm's after each request."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def open(self, path: str, **values: Any) -> TestResponse:
        try:
            return self.client.open(path, **values)
        finally:
            firm_again()

    def get(self, path: str, **values: Any) -> TestResponse:
        return self.open(path, method="GET", **values)

    def post(self, path: str, **values: Any) -> TestResponse:
        return self.open(path, method="POST", **values)


def firm_again() -> None:
    """The one connection of a rolled-back test serves both doors: take the portal's role off it."""
    engine = db.engines[None]
    if not hasattr(engine, "begin_nested"):
        return
    engine.exec_driver_sql("RESET ROLE")
    db.session.expire_all()


def at_portal(client: FlaskClient, contact: Any, request: ClientRequest | None = None) -> PortalClient:
    """The contact's browser, signed in; with `request` it came by that request's link."""
    token = open_contact_session(
        contact.id, by=SYSTEM, agent="Test", address="127.0.0.1", request_id=request.id if request else None,
        client_id=request.client_id if request else None,
    )
    with client.session_transaction(path="/portal/") as session:
        session["contact"] = token
    return PortalClient(client)
