"""Things are found as people remember them: by a telephone number, words in any order, letters without their signs."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from app.billing.commands.issue import approve_invoice
from app.billing.models import Invoice
from app.billing.numbers import number_found
from app.clients.models import AddressKind, Client, ContactAddress, Wall
from app.core.clock import now
from app.core.db import db
from app.core.finding import Typed, has_words, national_digits
from app.core.ids import new_id
from app.firm.models import NumberSeries, SeriesKind
from app.search.queries import find_anything, find_clients, find_contacts, find_jobs, find_matters, find_people
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.jobs.make_jobs import make_job
from tests.make import Cast, keep, make_client, make_engagement, sign_in


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("Łódź Świt", ["lodz", "swit lodz", "ŁÓDŹ", "świt"]),
        ("Ørsted & Sønner", ["orsted", "sonner orsted", "oersted", "ørsted sønner"]),
        ("Đorđe Petrović", ["dorde", "petrovic dorde"]),
        ("Großmann Straße", ["grossmann", "strasse großmann"]),
        ("Müller Söhne", ["muller", "mueller", "Müller", "soehne mueller", "söhne müller"]),
        ("Mueller", ["müller", "mueller"]),
        ("O’Brien’s Bakery", ["obrien", "o'brien", "O‘Brien", "bakery o’briens"]),
        ("D´Angelo", ["d'angelo", "dangelo"]),
        ("Smith, Jones (UK) Ltd.", ["jones smith", "smith jones uk", "ltd jones"]),
        ("Crêpe & Co", ["crepe co", "CRÊPE", "crêpe & co"]),
        ("Ångström AB", ["angstrom", "aangstroem"]),
        ("日本商事", ["日本"]),
    ],
)
def test_a_client_is_found_by_words_in_any_order_without_their_signs(cast: Cast, name: str, typed: list[str]) -> None:
    make_client(name, cast.office)
    for text in typed:
        assert [hit.text for hit in find_clients(text, seen_by=cast.actor(cast.sam))] == [name], text
    assert find_clients(f"{typed[0]} nowhere", seen_by=cast.actor(cast.sam)) == []


@pytest.mark.parametrize("text", ["%", "_", "&", "\\", "'", "…"])
def test_signs_alone_find_nothing_and_break_nothing(cast: Cast, text: str) -> None:
    assert db.session.scalars(sa.select(Client.id).where(has_words(Client.found_by, Typed.of(text)))).all() == []


@pytest.mark.parametrize(
    "typed", ["020 7946 0958", "+44 20 7946 0958", "0044 20 7946 0958", "(020) 79460958", "7946 0958", "02079460958"]
)
def test_a_telephone_number_is_found_however_it_is_spelt(cast: Cast, typed: str) -> None:
    cast.entity.country = "GB"
    cast.acme.phone = "+44 20 7946 0958"
    its = {"contact_id": cast.otto.id, "kind": AddressKind.PHONE, "value": "020-7946-0958"}
    keep(ContactAddress(id=new_id(), position=5, **its))
    db.session.flush()
    sam = cast.actor(cast.sam)
    assert {hit.text for hit in find_clients(typed, seen_by=sam)} == {"Acme Ltd", "Rival plc"}
    assert [(hit.text, hit.hint) for hit in find_contacts(typed, seen_by=sam)] == [(cast.otto.name, "Rival plc")]


@pytest.mark.parametrize(
    ("typed", "country", "digits"),
    [
        ("01 234 5678", "IE", "12345678"), ("+353 1 234 5678", "GB", "12345678"),
        ("(212) 555-0147", "US", "2125550147"),
        ("12345", "", "12345"), ("1234", "GB", ""), ("Room 12345", "GB", ""), ("2026-11-26", "GB", "20261126"),
    ],
)  # fmt: skip
def test_only_what_looks_like_a_number_is_read_as_one(typed: str, country: str, digits: str) -> None:
    assert national_digits(typed, country) == digits


def test_a_client_is_found_by_the_name_and_the_address_of_its_contact(cast: Cast, client: FlaskClient) -> None:
    keep(ContactAddress(
        id=new_id(), contact_id=cast.otto.id, kind=AddressKind.EMAIL, value="Otto.Fuchs@rival.example", position=6
    ))
    sam = cast.actor(cast.sam)
    for typed in ("otto.fuchs@rival.example", "fuchs", "RIVAL.EXAMPLE otto"):
        assert [hit.text for hit in find_clients(typed, seen_by=sam)] == ["Rival plc"]
        found = dict(find_anything(typed, seen_by=sam))
        assert [hit.hint for hit in found["Contacts"]] == ["Rival plc"]
    page = sign_in(client, cast.sam).get("/clients?q=fuchs").text
    assert "Rival plc" in page and "Acme Ltd" not in page
    assert f"/contacts/{cast.otto.id}" in client.get("/search?q=fuchs").text


def test_no_contact_is_found_through_a_wall_nor_by_another_contact(cast: Cast) -> None:
    for actor in (cast.actor(cast.wes), cast.contact(cast.cleo)):
        assert find_contacts(cast.otto.name, seen_by=actor) == []
        assert find_clients(cast.otto.name, seen_by=actor) == []
    keep(Wall(person_id=cast.sam.id, client_id=cast.acme.id, reason="Family", created_at=now()))
    assert cast.cleo.name in {hit.text for hit in find_contacts(cast.cleo.name, seen_by=cast.actor(cast.pat))}
    assert find_contacts(cast.cleo.name, seen_by=cast.actor(cast.sam)) == []


def test_whoever_stands_for_several_clients_is_named_with_those_in_sight(cast: Cast) -> None:
    hints = {hit.hint for hit in find_contacts(cast.cleo.name, seen_by=cast.actor(cast.pat))}
    assert hints and all("Acme Ltd" in hint for hint in hints)


def test_an_archived_contact_is_not_offered(cast: Cast) -> None:
    cast.otto.archived_at = now()
    db.session.flush()
    assert find_contacts(cast.otto.name, seen_by=cast.actor(cast.sam)) == []


def test_jobs_engagements_and_people_are_found_by_words_in_any_order(cast: Cast) -> None:
    sam = cast.actor(cast.sam)
    make_job(cast.acme_work, title="Résumé of accounts 2026", number="J-07771")
    make_engagement(cast.acme, cast.entity, "Lease of the Café Zürich")
    assert [hit.text for hit in find_jobs("2026 resume", seen_by=sam)] == ["Résumé of accounts 2026"]
    assert [hit.text for hit in find_jobs("j-077", seen_by=sam)] == ["Résumé of accounts 2026"]
    assert [hit.text for hit in find_matters("zuerich cafe", seen_by=sam)] == ["Lease of the Café Zürich"]
    assert [hit.id for hit in find_people(cast.mel.email, seen_by=sam)] == [cast.mel.id]


@pytest.mark.parametrize(
    ("typed", "is_found"),
    [
        ("INV-465", True), ("inv465", True), ("INV 465", True), ("465", True), ("00465", True), ("INV-00465", True),
        ("INV-004", True), ("INV-46", False), ("CN-465", False), ("65", False), ("INV-4650", False), ("", False),
    ],
)  # fmt: skip
def test_a_bill_is_found_by_its_number_with_or_without_noughts_and_signs(
    cast: Cast, typed: str, is_found: bool
) -> None:
    series = db.session.scalars(
        sa.select(NumberSeries).where(NumberSeries.kind == SeriesKind.INVOICE, NumberSeries.entity_id == cast.entity.id)
    ).one_or_none() or keep(NumberSeries(id=new_id(), kind=SeriesKind.INVOICE, entity_id=cast.entity.id))
    series.prefix, series.padding, series.next_value = "INV-", 5, 465
    db.session.flush()
    make_rate("100")
    make_entry(cast)
    bill = make_draft(cast, cast.acme_work)
    approve_invoice(bill, by=cast.actor(cast.bea))
    assert bill.number == "INV-00465"
    found = db.session.scalars(sa.select(Invoice.id).where(number_found(typed))).all()
    assert (found == [bill.id]) is is_found


def test_what_a_row_is_found_by_follows_every_change_of_it(cast: Cast) -> None:
    """The database itself makes it, so that no command can forget to."""
    sam = cast.actor(cast.sam)
    db.session.execute(sa.update(Client).where(Client.id == cast.acme.id).values(name="Żabka", phone="+353 1 234 5678"))
    assert [hit.id for hit in find_clients("zabka", seen_by=sam)] == [cast.acme.id]
    assert [hit.id for hit in find_clients("2345678", seen_by=sam)] == [cast.acme.id]


def test_the_fold_of_the_database_needs_no_search_path(cast: Cast) -> None:
    """A restore and an index build run with an empty one."""
    session: Any = db.session
    session.execute(sa.text("SET LOCAL search_path = ''"))
    assert session.scalar(sa.text("SELECT public.search_words('Müller & Söhne')")) == "muller sohne mueller soehne"
    session.execute(sa.text("SET LOCAL search_path = public"))
