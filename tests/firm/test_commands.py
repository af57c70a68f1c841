"""What the commands of the firm's settings do, refuse and tell: by whoever may set the firm up, and once."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
import sqlalchemy as sa
from PIL import Image
from sqlalchemy.orm import Session

from app.activity.models import Event
from app.core.actors import Actor
from app.core.db import db
from app.core.errors import Conflict, NotAllowed, Refused, Stale
from app.core.ids import new_id
from app.core.rounding import RoundingRule
from app.core.storage import storage
from app.firm.commands.entities import (
    EntityFacts,
    OfficeFacts,
    archive_office,
    create_entity,
    create_office,
    update_entity,
    update_office,
)
from app.firm.commands.firm import (
    FirmLook,
    remove_logo,
    require_second_factor,
    set_logo,
    set_rounding,
    update_firm,
)
from app.firm.commands.tax import create_usual_rates, update_rate
from app.firm.countries import usual_rates
from app.firm.models import Entity, Office, TaxCode
from tests.make import Cast, count

TRUSTEES = EntityFacts(name="Hartwell Trustees Ltd", country="gb", currency="gbp", year_end_month=3, year_end_day=31)
LOOK = FirmLook(name="Hartwell LLP", zone="Europe/Dublin", accent="#a03")


def leeds(cast: Cast) -> OfficeFacts:
    return OfficeFacts(name="Leeds", entity_id=cast.entity.id, zone="Europe/London", calendar="GB-ENG")


def logo() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (1000, 400), "navy").save(out, "PNG")
    return out.getvalue()


def told() -> list[str]:
    return list(db.session.scalars(sa.select(Event.kind).where(Event.kind.like("firm.%")).order_by(Event.id)))


@pytest.fixture
def ada(session: Session, cast: Cast) -> Actor:
    return cast.actor(cast.ada)


ACTS: dict[str, Callable[[Cast, Actor], object]] = {
    "create_entity": lambda cast, by: create_entity(new_id(), TRUSTEES, by=by),
    "update_entity": lambda cast, by: update_entity(cast.entity, TRUSTEES, by=by),
    "create_office": lambda cast, by: create_office(new_id(), leeds(cast), by=by),
    "update_office": lambda cast, by: update_office(cast.office, leeds(cast), by=by),
    "archive_office": lambda cast, by: archive_office(cast.second_office, by=by),
    "update_firm": lambda cast, by: update_firm(cast.firm, LOOK, by=by),
    "set_rounding": lambda cast, by: set_rounding(cast.firm, RoundingRule(increment=15), by=by),
    "require_second_factor": lambda cast, by: require_second_factor(cast.firm, True, by=by),
    "set_logo": lambda cast, by: set_logo(cast.firm, logo(), by=by),
    "remove_logo": lambda cast, by: remove_logo(cast.firm, by=by),
    "update_rate": lambda cast, by: update_rate(cast.vat, name="VAT", legend="", by=by),
    "create_usual_rates": lambda cast, by: create_usual_rates(usual_rates("IE", registered=True), by=by),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS.keys())
def test_only_whoever_sets_the_firm_up_may(
    session: Session, cast: Cast, act: Callable[[Cast, Actor], object]
) -> None:
    for actor in (cast.actor(cast.sam), cast.actor(cast.mel), cast.actor(cast.bea), cast.contact(cast.cleo)):
        with pytest.raises(NotAllowed):
            act(cast, actor)
    assert told() == []


def test_an_entity_is_made_once_with_what_its_bills_say(ada: Actor, cast: Cast) -> None:
    made = create_entity(one := new_id(), TRUSTEES, by=ada)
    assert (made.name, made.country, made.currency) == ("Hartwell Trustees Ltd", "GB", "GBP")
    assert create_entity(one, TRUSTEES, by=ada) is made and count(Entity) == 2 and told() == ["firm.entity.create"]
    with pytest.raises(Conflict):
        create_entity(one, replace(TRUSTEES, name="Another"), by=ada)
    for wrong, field in (
        ({"country": "Britain"}, "country"), ({"currency": "XXZ"}, "currency"), ({"terms_days": 366}, "terms_days"),
        ({"name": " "}, "name"), ({"year_end_month": 13}, "year_end_day"), ({"iban": "GB00"}, "iban"),
    ):
        with pytest.raises(Refused) as refusal:
            create_entity(new_id(), replace(TRUSTEES, **wrong), by=ada)
        assert refusal.value.field == field
    assert count(Entity) == 2


def test_an_entity_keeps_its_currency_and_tells_what_changed(ada: Actor, cast: Cast) -> None:
    with pytest.raises(Refused, match="keeps its currency"):
        update_entity(cast.entity, replace(TRUSTEES, currency="EUR"), by=ada)
    with pytest.raises(Stale):
        update_entity(cast.entity, TRUSTEES, by=ada, version=cast.entity.version + 1)
    update_entity(cast.entity, TRUSTEES, by=ada)
    update_entity(cast.entity, TRUSTEES, by=ada)
    assert (cast.entity.name, told()) == ("Hartwell Trustees Ltd", ["firm.entity.update"])


def test_an_office_is_made_once_changed_and_archived_but_for_the_last(ada: Actor, cast: Cast) -> None:
    made = create_office(one := new_id(), leeds(cast), by=ada)
    assert create_office(one, leeds(cast), by=ada) is made and count(Office) == 3
    with pytest.raises(Conflict):
        create_office(one, replace(leeds(cast), name="York"), by=ada)
    for wrong, field in (({"zone": "Leeds"}, "zone"), ({"calendar": "GB-MOON"}, "calendar"),
                         ({"entity_id": new_id()}, "entity_id"), ({"name": ""}, "name")):
        with pytest.raises(Refused) as refusal:
            update_office(made, replace(leeds(cast), **wrong), by=ada)
        assert refusal.value.field == field
    with pytest.raises(Stale):
        update_office(made, replace(leeds(cast), name="York"), by=ada, version=made.version + 1)
    update_office(made, replace(leeds(cast), name="York"), by=ada)
    assert made.name == "York"
    for office in (made, cast.second_office, cast.second_office):
        archive_office(office, by=ada)
    with pytest.raises(Refused, match="at least one office"):
        archive_office(cast.office, by=ada)
    assert told() == ["firm.office.create", "firm.office.update", "firm.office.archive", "firm.office.archive"]


def test_the_firms_look_rounding_and_second_factor_are_changed_and_told_once(ada: Actor, cast: Cast) -> None:
    for _ in range(2):
        update_firm(cast.firm, LOOK, by=ada)
        set_rounding(cast.firm, RoundingRule(increment=15), by=ada)
        require_second_factor(cast.firm, True, by=ada)
    assert (cast.firm.name, cast.firm.zone, cast.firm.accent) == ("Hartwell LLP", "Europe/Dublin", "#aa0033")
    assert cast.firm.rounding["increment"] == 15 and cast.firm.require_totp
    assert told() == ["firm.firm.update", "firm.rounding.update", "firm.second_factor.update"]
    for wrong, field in (({"name": "\x00"}, "name"), ({"zone": "Europe/Ys"}, "zone"), ({"accent": "red"}, "accent")):
        with pytest.raises(Refused) as refusal:
            update_firm(cast.firm, replace(LOOK, **wrong), by=ada)
        assert refusal.value.field == field
    with pytest.raises(Stale):
        update_firm(cast.firm, replace(LOOK, name="Mine"), by=ada, version=cast.firm.version + 1)


def test_a_logo_is_drawn_small_and_taken_away_once(ada: Actor, cast: Cast) -> None:
    set_logo(cast.firm, logo(), by=ada)
    assert cast.firm.logo_key is not None
    with Image.open(io.BytesIO(storage().get(cast.firm.logo_key))) as drawn:
        assert (drawn.format, drawn.size) == ("PNG", (400, 160))
    remove_logo(cast.firm, by=ada)
    remove_logo(cast.firm, by=ada)
    assert cast.firm.logo_key is None and told() == ["firm.logo.set", "firm.logo.remove"]


def test_a_rate_is_renamed_and_charges_what_it_did(ada: Actor, cast: Cast) -> None:
    for _ in range(2):
        update_rate(cast.vat, name="  Standard  rate ", legend=" L ", by=ada)
    assert (cast.vat.name, cast.vat.legend, cast.vat.percent) == ("Standard rate", "L", Decimal(20))
    assert told() == ["firm.tax_rate.update"]
    with pytest.raises(Stale):
        update_rate(cast.vat, name="Mine", legend="", by=ada, version=cast.vat.version + 1)


def test_the_usual_rates_of_a_country_begin_with_the_one_that_is_usual(ada: Actor, cast: Cast) -> None:
    db.session.delete(cast.vat)
    db.session.flush()
    db.session.execute(sa.delete(TaxCode))
    made = create_usual_rates(usual_rates("IE", registered=True), by=ada)
    assert made[0].percent == 23 and [rate.of.is_default for rate in made] == [True] + [False] * (len(made) - 1)
    assert told() == ["firm.tax_rate.create"] * len(made)
