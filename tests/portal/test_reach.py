"""Statements that somebody slipped into the portal's own login: its reach comes from a session's secret alone."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from app.core.clock import now
from app.core.db import db
from app.core.ids import new_id
from app.requests.models import ClientRequest
from tests.portal.test_isolation import at_the_door, real_ids, session_of  # noqa: F401

SETTINGS = ("contact", "clients", "request", "assurance", "seal")
REACHABLE = ("client", "client_request", "request_item", "document", "contact", "invoice", "job", "contact_address")


def say(**settings: str) -> None:
    for name, value in settings.items():
        db.session.execute(sa.text("SELECT set_config(:name, :value, :local)"),
                           {"name": f"firmament.{name}", "value": value, "local": name != "seal"})


def said() -> dict[str, str]:
    return {name: db.session.scalar(sa.text(f"SELECT current_setting('firmament.{name}', true)")) for name in SETTINGS}


def seen() -> int:
    return sum(db.session.scalar(sa.text(f"SELECT count(*) FROM {table}")) or 0 for table in REACHABLE)


def test_settings_that_anybody_may_set_open_nothing(real_ids: dict[str, Any]) -> None:  # noqa: F811
    theirs = {"contact": str(real_ids["otto"]), "clients": f"{{{real_ids['rival']}}}", "request": "",
              "assurance": "signed_in"}
    with at_the_door(None):
        say(**theirs)
        assert seen() == 0
        say(**theirs, seal="0" * 64)
        assert seen() == 0
    with at_the_door(real_ids["cleo"]):
        assert seen() > 3
        mine = said()
        say(clients=f"{{{real_ids['acme']},{real_ids['rival']}}}")
        assert seen() == 0, "one setting changed, and the seal of all of them is broken"
        say(**mine)
        assert seen() > 3


def test_by_a_request_link_nobody_makes_themselves_signed_in(real_ids: dict[str, Any]) -> None:  # noqa: F811
    with at_the_door(real_ids["cleo"], request=real_ids["request"]):
        assert db.session.scalars(sa.select(ClientRequest.id)).all() == [real_ids["request"]]
        say(request="", assurance="signed_in")
        assert seen() == 0


def test_a_seal_is_worth_nothing_in_another_transaction(real_ids: dict[str, Any]) -> None:  # noqa: F811
    with at_the_door(real_ids["cleo"]):
        mine = said()
        assert seen() > 3 and mine["seal"]
    with at_the_door(None):
        say(**mine)
        assert seen() == 0


@pytest.mark.parametrize("statement", [
    "SELECT portal_begin(:otto, NULL)",
    "SELECT portal_seal('a', 'b', '', 'signed_in')",
    "SELECT * FROM sealed.portal_key",
    "CREATE OR REPLACE FUNCTION portal_clients() RETURNS uuid[] LANGUAGE sql AS 'SELECT NULL::uuid[]'",
    "ALTER ROLE CURRENT_USER BYPASSRLS",
    "SET row_security = off; SELECT * FROM client",
])
def test_what_would_give_a_reach_is_refused(real_ids: dict[str, Any], statement: str) -> None:  # noqa: F811
    with at_the_door(real_ids["cleo"]):
        with pytest.raises(sa.exc.DBAPIError):
            db.session.execute(sa.text(statement), {"otto": real_ids["otto"]} if ":otto" in statement else {})
        db.session.rollback()


def test_a_visit_takes_a_secret_and_dies_with_it(real_ids: dict[str, Any]) -> None:  # noqa: F811
    known = session_of(real_ids["otto"])
    visit = sa.text("SELECT contact_id FROM portal_visit(:hash, :at, CAST('-infinity' AS timestamptz))")
    with at_the_door(None):
        assert db.session.scalar(visit, {"hash": bytes(32), "at": now()}) is None and seen() == 0
        assert db.session.scalar(visit, {"hash": known, "at": now()}) == real_ids["otto"]
    db.session.execute(sa.text("UPDATE contact_session SET revoked_at = now()"))
    with at_the_door(None):
        assert db.session.scalar(visit, {"hash": known, "at": now()}) is None and seen() == 0


@pytest.mark.parametrize("keys", [
    {"kept_key": "kept/theirs"}, {"preview_key": "kept/theirs"},
    {"thumbnail_key": "kept/theirs"}, {"jpeg_key": "kept/theirs"}, {"incoming_key": "kept/theirs"},
    {"incoming_key": "incoming/../kept/theirs"}, {"state": "available"}, {"incoming_key": None},
])
def test_no_document_is_made_over_somebody_elses_object(
    real_ids: dict[str, Any], keys: dict[str, str]  # noqa: F811
) -> None:
    with at_the_door(real_ids["cleo"]):
        with pytest.raises(sa.exc.DBAPIError):
            insert(real_ids, **keys)
        db.session.rollback()
        insert(real_ids)
        db.session.rollback()


def test_a_key_on_its_way_is_nobody_elses_to_name(real_ids: dict[str, Any]) -> None:  # noqa: F811
    key = f"incoming/{uuid4()}"
    with at_the_door(real_ids["otto"]):
        insert(real_ids, client_id=real_ids["rival"], added_by=real_ids["otto"], incoming_key=key)
        db.session.commit()
    with at_the_door(real_ids["cleo"]):
        with pytest.raises(sa.exc.IntegrityError):
            insert(real_ids, incoming_key=key)
        db.session.rollback()


def insert(ids: dict[str, Any], **values: Any) -> None:
    row = {
        "id": new_id(), "client_id": ids["acme"], "folder": "", "name": "a.pdf", "state": "uploading", "size": 5,
        "media_type": "", "incoming_key": f"incoming/{uuid4()}", "client_sees": True, "rejected_because": "",
        "remark": "", "added_kind": "contact", "added_by": ids["cleo"], "created_at": now(),
    } | values
    names = ", ".join(row)
    db.session.execute(sa.text(f"INSERT INTO document ({names}) VALUES ({', '.join(f':{name}' for name in row)})"), row)
