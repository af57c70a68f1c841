"""Making, editing, archiving clients, and who may see them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from app.activity.models import Event, EventPayload
from app.clients.commands import (
    ClientFacts,
    archive_client,
    create_client,
    create_firm_client,
    restore_client,
    update_client,
)
from app.clients.models import Arrangement, Client, Engagement
from app.clients.queries import ClientFilter, find_client, get_client, list_clients
from app.core.actors import SYSTEM
from app.core.db import db
from app.core.errors import Conflict, NotAllowed, NotFound, Refused, Stale
from app.core.ids import new_id
from tests.make import Cast, count, make_client


def facts(cast: Cast, name: str = "Alder & Finch Ltd", **values: object) -> ClientFacts:
    return ClientFacts(name=name, office_id=cast.office.id, **values)  # type: ignore[arg-type]


def names(cast: Cast, person: object, **narrow: object) -> list[str]:
    found = list_clients(ClientFilter(**narrow), seen_by=cast.actor(person))  # type: ignore[arg-type]
    return [row[0].name for row in found.rows]


def test_a_client_gets_the_next_code_and_its_offices_currency(cast: Cast) -> None:
    client = create_client(new_id(), facts(cast), by=cast.actor(cast.sam))
    assert (client.code, client.currency) == ("C00001", "GBP")


def test_pressing_twice_makes_one_client(cast: Cast) -> None:
    client_id, before = new_id(), count(Client)
    one = create_client(client_id, facts(cast), by=cast.actor(cast.sam))
    two = create_client(client_id, facts(cast), by=cast.actor(cast.sam))
    assert one is two
    with pytest.raises(Conflict):
        create_client(client_id, facts(cast, "Another name"), by=cast.actor(cast.sam))
    assert count(Client) == before + 1


def test_a_taken_code_is_refused_whatever_its_case(cast: Cast) -> None:
    create_client(new_id(), facts(cast, code="ALD01"), by=cast.actor(cast.sam))
    with pytest.raises(Refused, match="taken") as refusal:
        create_client(new_id(), facts(cast, code="ald01"), by=cast.actor(cast.sam))
    assert refusal.value.field == "code"


@pytest.mark.parametrize(("field", "value"), [
    ("name", "  "), ("name", "x" * 301), ("country", "XQ"), ("currency", "ABC"), ("email", "nobody"),
    ("website", "javascript://alert(1)"), ("year_end_day", 31), ("terms_days", 400),
])
def test_what_cannot_be_right_is_refused_at_its_field(cast: Cast, field: str, value: object) -> None:
    with pytest.raises(Refused) as refusal:
        create_client(new_id(), replace(facts(cast), **{field: value}), by=cast.actor(cast.sam))  # type: ignore[arg-type]
    assert refusal.value.field == field


def test_a_tax_number_is_checked_by_its_countrys_rule(cast: Cast) -> None:
    by = cast.actor(cast.sam)
    good = create_client(new_id(), facts(cast, country="DE", tax_number="DE 136 695 976"), by=by)
    assert good.tax_number == "136695976"
    with pytest.raises(Refused, match="no valid tax number"):
        create_client(new_id(), facts(cast, country="DE", tax_number="DE 136 695 978"), by=by)


def test_a_state_is_kept_by_its_code_and_refused_where_it_is_none(cast: Cast) -> None:
    for typed in ("Massachusetts", "ma", "US-MA"):
        made = create_client(new_id(), facts(cast, country="US", region=typed), by=cast.actor(cast.sam))
        assert made.region == "MA"
    for country, region in (("US", "Bavaria"), (None, "MA")):
        with pytest.raises(Refused) as refusal:
            create_client(new_id(), facts(cast, country=country, region=region), by=cast.actor(cast.sam))
        assert refusal.value.field == "region"


def test_a_telephone_number_that_nobody_can_read_is_kept_as_typed(cast: Cast) -> None:
    by = cast.actor(cast.sam)
    assert create_client(new_id(), facts(cast, phone="0113 496 0000"), by=by).phone == "+44 113 496 0000"
    assert create_client(new_id(), facts(cast, phone="ask Jo, ext 4"), by=by).phone == "ask Jo, ext 4"


def test_an_edit_tells_before_and_after_and_nothing_else(cast: Cast) -> None:
    update_client(cast.acme, facts(cast, "Acme Group Ltd", code=cast.acme.code), by=cast.actor(cast.pat), version=1)
    data = db.session.scalars(
        sa.select(EventPayload.data).join(Event, Event.id == EventPayload.event_id)
        .where(Event.kind == "clients.client.update")
    ).one()
    assert data is not None
    assert data["changes"]["name"] == ["Acme Ltd", "Acme Group Ltd"]
    assert "code" not in data["changes"] and "sort_key" not in data["changes"]


def test_a_stale_edit_is_refused(cast: Cast) -> None:
    by = cast.actor(cast.pat)
    update_client(cast.acme, facts(cast, "First"), by=by, version=1)
    with pytest.raises(Stale):
        update_client(cast.acme, facts(cast, "Second"), by=by, version=1)
    assert cast.acme.name == "First"


def test_an_archived_client_leaves_the_list_and_comes_back(cast: Cast) -> None:
    by = cast.actor(cast.sam)
    archive_client(cast.acme, by=by)
    assert names(cast, cast.sam) == ["Rival plc"]
    assert names(cast, cast.sam, archived=True) == ["Acme Ltd"]
    restore_client(cast.acme, by=by)
    assert names(cast, cast.sam) == ["Acme Ltd", "Rival plc"]


def test_lists_sort_and_find_names_without_their_accents(cast: Cast) -> None:
    for name in ("Özdemir Ltd", "Zażółć Sp. z o.o.", "Pémberton Crêpes SARL", "שלום Consulting Ltd"):
        create_client(new_id(), facts(cast, name), by=cast.actor(cast.sam))
    assert names(cast, cast.sam)[:3] == ["Acme Ltd", "Özdemir Ltd", "Pémberton Crêpes SARL"]
    assert names(cast, cast.sam, text="pemberton crepes") == ["Pémberton Crêpes SARL"]
    assert names(cast, cast.sam, text="שלום") == ["שלום Consulting Ltd"]


def test_percent_and_underscore_are_letters_like_others(cast: Cast) -> None:
    make_client("100% Juice", cast.office)
    assert names(cast, cast.sam, text="%") == ["100% Juice"]
    assert names(cast, cast.sam, text="_") == []


def test_the_firms_own_client_is_made_once_with_its_engagement(cast: Cast) -> None:
    words = {"office_id": cast.office.id, "entity_id": cast.entity.id, "name": "Hartwell & Co", "currency": "GBP"}
    one = create_firm_client(**words, by=SYSTEM)  # type: ignore[arg-type]
    assert create_firm_client(**words, by=SYSTEM) is one  # type: ignore[arg-type]
    internal = db.session.scalars(sa.select(Engagement).where(Engagement.client_id == one.id)).one()
    arrangement = db.session.scalars(sa.select(Arrangement).where(Arrangement.engagement_id == internal.id)).one()
    assert arrangement.kind == "non_billable"
    with pytest.raises(Refused):
        archive_client(one, by=SYSTEM)


def test_wes_sees_and_finds_nothing_of_rival(cast: Cast) -> None:
    wes = cast.actor(cast.wes)
    assert names(cast, cast.wes) == ["Acme Ltd"]
    assert find_client("Rival plc", seen_by=wes) is None
    with pytest.raises(NotFound):
        get_client(cast.rival.id, seen_by=wes)
    with pytest.raises(NotAllowed):
        update_client(cast.rival, facts(cast), by=wes)


def test_otto_sees_rival_and_nothing_of_acme(cast: Cast) -> None:
    otto = cast.contact(cast.otto)
    assert [row[0].name for row in list_clients(seen_by=otto).rows] == ["Rival plc"]
    assert find_client("Acme Ltd", seen_by=otto) is None
    with pytest.raises(NotFound):
        get_client(cast.acme.id, seen_by=otto)
    with pytest.raises(NotAllowed):
        archive_client(cast.rival, by=otto)
