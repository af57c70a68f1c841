"""Every form that edits something posts back what it shows: sent unchanged, it changes nothing."""

from __future__ import annotations

import datetime as dt
import re
from html.parser import HTMLParser
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.clients.models import Client, Contact, Engagement, PayrollFrequency
from app.core.db import Base
from app.firm.models import Entity, Office
from app.timekeeping.models import Expense, TimeEntry
from tests.journeys.world import make_world
from tests.make import Cast, sign_in
from tests.test_architecture import rules

# What no form need show, with a value that is no default: a form that writes it without showing it loses it.
LIVED_IN: dict[Any, dict[str, Any]] = {
    Client: {
        "language": "de", "zone": "America/New_York", "region": "ME", "country": "US", "legal_name": "Acme Limited",
        "registration_number": "01234567", "email": "post@acme.example", "phone": "+44 20 7946 0018",
        "website": "https://acme.example", "notes": "Call first", "terms_days": 21, "vat_stagger": 2,
        "payroll_frequency": PayrollFrequency.FORTNIGHTLY, "first_pay_day": dt.date(2026, 1, 9),
        "line_grouping": "entry",
    },
    Contact: {"language": "fr", "zone": "Europe/Paris"},
    Engagement: {"tax_code": "S20", "line_grouping": "job"},
    Entity: {
        "tax_number": "980780684", "invoice_note": "Thank you", "bank_name": "Barclays", "bic": "BUKBGB22",
        "account_number": "55555555", "sort_code": "20-20-15", "registration_number": "09876543",
        "line_grouping": "job",
    },
    Office: {"calendar": "GB-ENG", "phone": "+44 20 7946 0100", "email": "post@firm.example", "address": "1 High St"},
    Expense: {"category": "Fees", "tax": 3, "receipt_name": "Acme Ltd", "evidence": "Claim 12"},
    TimeEntry: {"activity": "Advice"},
}
# Forms that carry a version and are an act of their own: they are there to change something.
ACTS = re.compile(r"/(approval|submission|sending|completion)$")
# What counts edits and remembers looks.
ROW = ("version", "updated_at", "last_seen_at", "viewed_at")
TOLD = ("event", "event_payload", "event_seal", "outbox", "reader_position", "cover", "person_session")


class _Forms(HTMLParser):
    """The forms of a page: where each is posted and what it would send as it stands."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.forms: list[tuple[str, list[tuple[str, str]]]] = []
        self.fields: list[tuple[str, str]] | None = None
        self.select = self.area = ""
        self.options: list[tuple[str, bool]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.fields = []
            if said.get("method", "").lower() == "post":
                self.forms.append((said.get("action", ""), self.fields))
        if self.fields is None or "disabled" in said:
            return
        name = said.get("name", "")
        if tag == "input" and name and said.get("type") not in ("submit", "button", "file"):
            if said.get("type") not in ("checkbox", "radio") or "checked" in said:
                default = "on" if said.get("type") in ("checkbox", "radio") else ""
                self.fields.append((name, said.get("value", default)))
        elif tag == "select":
            self.select, self.options = name, []
        elif tag == "option":
            self.options.append((said.get("value", ""), "selected" in said))
        elif tag == "textarea":
            self.area, self.text = name, ""

    def handle_data(self, data: str) -> None:
        if self.area:
            self.text += data

    def handle_endtag(self, tag: str) -> None:
        if self.fields is None:
            return
        if tag == "select" and self.select:
            chosen = [value for value, is_chosen in self.options if is_chosen] or [v for v, _ in self.options[:1]]
            self.fields += [(self.select, value) for value in chosen]
            self.select = ""
        elif tag == "textarea" and self.area:
            # A browser drops the line break right after the tag and sends the others as CR and LF.
            self.fields.append((self.area, self.text.removeprefix("\n").replace("\n", "\r\n")))
            self.area = ""
        elif tag == "form":
            self.fields = None


def edit_forms(page: str) -> list[tuple[str, dict[str, list[str]]]]:
    """Those that carry the version of what they edit."""
    parser = _Forms()
    parser.feed(page)
    found = []
    for action, fields in parser.forms:
        if dict(fields).get("version") and not ACTS.search(action):
            sent: dict[str, list[str]] = {}
            for name, value in fields:
                sent.setdefault(name, []).append(value)
            found.append((action, sent))
    return found


def rows(session: Session) -> dict[str, dict[str, dict[str, Any]]]:
    """Every row of every table that a form may write, by table and key."""
    session.flush()
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for table in Base.metadata.sorted_tables:
        if table.name in TOLD:
            continue
        key = ", ".join(f't."{column.name}"' for column in table.primary_key.columns) or "t"
        statement = sa.text(f"SELECT concat_ws('|', {key}) AS key, to_jsonb(t) - CAST(:row AS text[]) AS row "
                            f'FROM "{table.name}" t')
        found[table.name] = {row.key: row.row for row in session.execute(statement, {"row": list(ROW)})}
    return found


def differing(before: Any, after: Any) -> list[str]:
    """`client.language: 'de' -> 'en'`, for whatever is not what it was."""
    said = []
    for table, now in after.items():
        was = before[table]
        said += [f"{table}: {len(now)} rows instead of {len(was)}"] if now.keys() != was.keys() else []
        for key in now.keys() & was.keys():
            said += [
                f"{table}.{name}: {was[key][name]!r} -> {value!r}"
                for name, value in now[key].items() if was[key][name] != value
            ]
    return said


@pytest.mark.slow
def test_a_form_posted_back_unchanged_changes_nothing(
    app: Flask, client: FlaskClient, cast: Cast, session: Session
) -> None:
    world = make_world(cast)
    for model, values in LIVED_IN.items():
        known = {name: value for name, value in values.items() if name in model.__table__.columns}
        if known:
            statement = sa.update(model)
            if model is Client:
                statement = statement.where(Client.id == cast.acme.id)
            session.execute(statement.values(**known))
    for model, row in ((Client, cast.acme), (Engagement, cast.acme_work)):
        session.execute(sa.update(model).where(model.id == row.id).values(payer_id=cast.rival.id))
    session.commit()
    sign_in(client, cast.pat)
    opened, changed = 0, []
    for rule in rules(app):
        address = world.fill(rule) if "GET" in rule.methods else None
        if address is None or rule.rule.startswith("/portal"):
            continue
        answer = client.get(address)
        if answer.status_code != 200 or answer.mimetype != "text/html":
            continue
        for action, sent in edit_forms(answer.get_data(as_text=True)):
            before = rows(session)
            posted = client.post(action or address, data=sent)
            session.expire_all()
            opened += 1
            changed += [
                f"{address} -> {action} ({posted.status_code}): {said}" for said in differing(before, rows(session))
            ]
    assert changed == []
    assert opened > 10
