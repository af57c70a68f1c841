"""Changing the firm's settings."""

from __future__ import annotations

import datetime as dt
import io
from decimal import Decimal

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from PIL import Image

from app.activity.models import Event, EventPayload
from app.core.db import db
from app.core.errors import NotAllowed, Refused
from app.core.ids import new_id
from app.firm.commands import next_number, set_series
from app.firm.commands.firm import redrawn
from app.firm.commands.tax import archive_rate, change_rate, make_default
from app.firm.models import SeriesKind, TaxCode
from app.firm.queries import list_tax_rates
from app.firm.taxes import tax_table
from app.people.passwords import hash_password
from tests.make import Cast, sign_in

PAGES = (
    "/settings", "/settings/firm", "/settings/security", "/settings/tamper-evidence", "/settings/entities",
    "/settings/entities/new", "/settings/offices", "/settings/offices/new", "/settings/closures", "/settings/tax-rates",
    "/settings/tax-rates/new", "/settings/numbers", "/settings/numbers/job/-", "/settings/rounding", "/people",
    "/people/new", "/account", "/account/email", "/account/password", "/account/second-factor",
)


def payload_of(kind: str) -> dict[str, object]:
    return db.session.scalars(
        sa.select(EventPayload.data).join(Event, Event.id == EventPayload.event_id).where(Event.kind == kind)
    ).one() or {}


@pytest.mark.parametrize("path", PAGES)
def test_every_settings_page_opens_for_a_partner(client: FlaskClient, cast: Cast, path: str) -> None:
    assert sign_in(client, cast.pat).get(path).status_code == 200


@pytest.mark.parametrize("path", [p for p in PAGES[1:] if p.startswith("/settings")] + ["/people/new"])
def test_staff_do_not_reach_the_settings(client: FlaskClient, cast: Cast, path: str) -> None:
    assert sign_in(client, cast.sam).get(path).status_code == 403


def test_a_new_colour_is_told_before_and_after_and_shows_in_the_sheet(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.ada)
    answer = client.post("/settings/firm", data={"name": "Hartwell & Co", "zone": "Europe/London", "accent": "#aa0033"})
    assert answer.status_code == 303
    assert payload_of("firm.firm.update")["changes"] == {"accent": ["#2f5d8a", "#aa0033"]}
    sheet = client.get("/brand.css")
    assert "#aa0033" in sheet.text and sheet.mimetype == "text/css"


def test_what_was_typed_wrong_is_kept_beside_its_error(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.pat)
    answer = client.post("/settings/firm", data={"name": "New name", "zone": "Europe/Nowhere", "accent": "#123456"})
    assert answer.status_code == 422
    assert 'value="Europe/Nowhere"' in answer.text and "Choose a time zone" in answer.text


def entity_form(cast: Cast, **changed: str) -> dict[str, str]:
    return {
        "name": cast.entity.name, "country": "GB", "currency": "GBP", "year_end_month": "12", "year_end_day": "31",
        "terms_days": "14", "iban": cast.entity.iban, "tax_number": cast.entity.tax_number, **changed,
    }


def test_changing_the_bank_asks_for_the_password_and_other_things_do_not(client: FlaskClient, cast: Cast) -> None:
    cast.pat.password_hash = hash_password("seven quiet lanterns")
    sign_in(client, cast.pat)
    path = f"/settings/entities/{cast.entity.id}"
    assert client.post(path, data=entity_form(cast, address="1 High Street")).status_code == 303
    new = entity_form(cast, iban="DE89 3704 0044 0532 0130 00")
    asked = client.post(path, data=new)
    assert asked.status_code == 422 and "DE89 3704 0044 0532 0130 00" in asked.text
    db.session.refresh(cast.entity)
    assert cast.entity.iban == "GB33BUKB20201555555555"
    assert client.post(path, data={**new, "current_password": "wrong"}).status_code == 422
    assert client.post(path, data={**new, "current_password": "seven quiet lanterns"}).status_code == 303
    db.session.refresh(cast.entity)
    assert cast.entity.iban == "DE89370400440532013000"


@pytest.mark.parametrize(("field", "value"), [
    ("iban", "GB33BUKB20201555555556"), ("tax_number", "GB123456789"), ("bic", "NOPE"), ("terms_days", "-1"),
])
def test_wrong_digits_are_refused_beside_their_field(client: FlaskClient, cast: Cast, field: str, value: str) -> None:
    cast.pat.password_hash = hash_password("seven quiet lanterns")
    sign_in(client, cast.pat)
    form = entity_form(cast, current_password="seven quiet lanterns") | {field: value}
    answer = client.post(f"/settings/entities/{cast.entity.id}", data=form)
    assert answer.status_code == 422 and f'id="{field}-error"' in answer.text


def test_a_stale_form_does_not_overwrite(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.pat)
    form = entity_form(cast, address="Mine", version="1")
    cast.entity.version = 2
    db.session.flush()
    answer = client.post(f"/settings/entities/{cast.entity.id}", data=form)
    assert answer.status_code == 422 and "Somebody else changed this" in answer.text and "Mine" in answer.text


def test_a_new_percentage_begins_on_its_date_and_the_old_one_stays_readable(cast: Cast) -> None:
    pat = cast.actor(cast.pat)
    new = change_rate(cast.vat, Decimal(21), dt.date(2030, 1, 1), by=pat)
    assert (new.code, new.name, new.is_default) == ("S20", "VAT 21%", True)
    table = tax_table()
    assert table.on("S20", dt.date(2029, 12, 31)).percent == 20
    assert table.on("S20", dt.date(2030, 1, 1)).percent == 21
    assert cast.vat in list_tax_rates() and new not in list_tax_rates()
    with pytest.raises(Refused):
        change_rate(cast.vat, Decimal(22), dt.date(2031, 1, 1), by=pat)


def test_a_percentage_left_empty_is_asked_for_and_never_taken_as_nothing(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.pat)
    facts = {"id": str(new_id()), "code": "S5", "name": "Standard 5 %", "treatment": "standard", "percent": ""}
    answer = client.post("/settings/tax-rates/new", data=facts)
    assert answer.status_code == 422 and "Give the percentage." in answer.text and "Standard 5 %" in answer.text
    assert db.session.scalar(sa.select(sa.func.count()).where(TaxCode.code == "S5")) == 0
    assert client.post("/settings/tax-rates/new", data=facts | {"percent": "5"}).status_code == 303


def test_the_usual_rate_cannot_be_archived(cast: Cast) -> None:
    pat = cast.actor(cast.pat)
    with pytest.raises(Refused):
        archive_rate(cast.vat, by=pat)
    make_default(cast.vat, by=pat)
    with pytest.raises(NotAllowed):
        archive_rate(cast.vat, by=cast.actor(cast.sam))


def test_the_next_number_only_rises(cast: Cast) -> None:
    pat = cast.actor(cast.pat)
    set_series(SeriesKind.INVOICE, cast.entity.id, prefix="2026-", padding=4, next_value=100, by=pat)
    assert next_number(SeriesKind.INVOICE, cast.entity.id) == ["2026-0100"]
    with pytest.raises(Refused, match="may only rise"):
        set_series(SeriesKind.INVOICE, cast.entity.id, prefix="2026-", padding=4, next_value=100, by=pat)


def picture(kind: str, size: tuple[int, int] = (900, 300)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "#884422").save(out, kind)
    return out.getvalue()


def test_a_logo_is_drawn_anew_and_served_from_an_address_of_its_own(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.pat)
    body = picture("JPEG") + b"<script>alert(1)</script>"
    answer = client.post("/settings/firm/logo", data={"logo": (io.BytesIO(body), "logo.svg")})
    assert answer.status_code == 303
    page = client.get("/settings/firm").text
    address = page.split('src="/logo/')[1].split('"')[0]
    served = client.get(f"/logo/{address}")
    assert served.mimetype == "image/png" and served.data.startswith(b"\x89PNG") and b"script" not in served.data
    assert Image.open(io.BytesIO(served.data)).size == (480, 160)
    assert client.get("/logo/..%2f..%2fincoming").status_code == 404


NO_PICTURES = [b"<svg onload=alert(1)>", b"", b"\x89PNG\r\n\x1a\n" + b"\0" * 50, b"GIF89a" + b"\0" * 30]


@pytest.mark.parametrize("body", NO_PICTURES)
def test_what_is_no_picture_is_refused(body: bytes) -> None:
    with pytest.raises(Refused):
        redrawn(body)


def test_closures_and_offices_are_kept(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.pat)
    form = {"id": str(cast.acme.id), "closed_on": "2026-12-24", "name": "Christmas Eve", "office_id": ""}
    assert client.post("/settings/closures", data=form).status_code == 303
    assert client.post("/settings/closures", data=form).status_code == 303
    assert client.get("/settings/closures").text.count("Remove Christmas Eve") >= 1
    office = {"id": str(cast.rival.id), "name": "Munich", "entity_id": str(cast.entity.id), "zone": "Europe/Berlin",
              "calendar": "DE-BY"}
    assert client.post("/settings/offices/new", data=office).status_code == 303
    assert "Munich" in client.get("/settings/offices").text


def test_rounding_is_kept_as_a_rule(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.pat)
    form = {"mode": "nearest", "increment": "15", "minimum": "0", "per": "entry"}
    assert client.post("/settings/rounding", data=form).status_code == 303
    db.session.refresh(cast.firm)
    assert cast.firm.rounding["increment"] == 15
