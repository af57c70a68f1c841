"""Up to how much a role or a person decides alone: set, followed, withdrawn."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.approvals.commands import LimitFacts, set_limit, withdraw_limit
from app.approvals.limits import judge
from app.approvals.models import ApprovalLimit
from app.approvals.policy import NEEDED
from app.approvals.queries import list_limits, unlimited_people
from app.core import clock
from app.core.errors import Conflict, NotAllowed, Refused
from app.core.ids import new_id
from app.core.permissions import Role
from app.ledger.models import ExchangeRate
from app.people.models import Person, PersonState
from tests.approvals.make_approvals import BILL, WRITE_OFF, limit
from tests.make import Cast, keep, sign_in


def limit_of(cast: Cast, person: Person, currency: str = "GBP") -> Decimal | None:
    return judge(BILL, cast.entity.id, Decimal(1), currency, clock.today(), by=cast.actor(person)).limit


def test_without_a_limit_whoever_may_may_any_amount(session: Session, cast: Cast) -> None:
    judged = judge(BILL, cast.entity.id, Decimal(10**9), "GBP", clock.today(), by=cast.actor(cast.bea))
    assert judged.within and judged.limit is None


def test_a_persons_own_limit_counts_before_their_roles_and_no_limit_is_one(session: Session, cast: Cast) -> None:
    limit(cast, Role.BILLING, "500")
    limit(cast, Role.PARTNER, "5000")
    assert limit_of(cast, cast.bea) == 500
    limit(cast, cast.bea, "800")
    limit(cast, cast.pat, None)
    assert limit_of(cast, cast.bea) == 800
    assert limit_of(cast, cast.pat) is None
    assert [person.name for person in unlimited_people(BILL, cast.entity.id)] == ["Pat"]


def test_a_limit_holds_from_its_day_and_a_later_one_follows_it(session: Session, cast: Cast) -> None:
    limit(cast, Role.BILLING, "500")
    soon = clock.today() + dt.timedelta(days=3)
    facts = LimitFacts(
        entity_id=cast.entity.id, kind=BILL, amount=Decimal(900), from_on=soon, role=Role.BILLING
    )  # fmt: skip
    set_limit(new_id(), facts, by=cast.actor(cast.ada))
    assert limit_of(cast, cast.bea) == 500
    with clock.travel_to(clock.now() + dt.timedelta(days=4)):
        assert limit_of(cast, cast.bea) == 900


def test_a_second_one_of_the_same_day_takes_the_place_of_the_first(session: Session, cast: Cast) -> None:
    first = limit(cast, Role.BILLING, "500")
    limit(cast, Role.BILLING, "50")
    assert first.withdrawn_at is not None and limit_of(cast, cast.bea) == 50
    assert len(list_limits(seen_by=cast.actor(cast.ada))) == 1


def test_withdrawn_the_one_before_counts_again_and_a_second_time_nothing_happens(session: Session, cast: Cast) -> None:
    one = limit(cast, Role.BILLING, "500")
    withdraw_limit(one, by=cast.actor(cast.ada))
    at = one.withdrawn_at
    withdraw_limit(one, by=cast.actor(cast.ada))
    assert limit_of(cast, cast.bea) is None and one.withdrawn_at == at


def test_what_is_past_keeps_its_limits(session: Session, cast: Cast) -> None:
    facts = LimitFacts(
        entity_id=cast.entity.id, kind=BILL, amount=Decimal(1), from_on=clock.today() - dt.timedelta(days=1),
        role=Role.BILLING,
    )  # fmt: skip
    with pytest.raises(Refused, match="today or later"):
        set_limit(new_id(), facts, by=cast.actor(cast.ada))


def test_only_who_edits_settings_sets_limits_and_the_same_form_sets_one(session: Session, cast: Cast) -> None:
    facts = LimitFacts(entity_id=cast.entity.id, kind=BILL, amount=Decimal(1), from_on=clock.today(), role=Role.BILLING)
    for person in (cast.mel, cast.sam, cast.bea, cast.wes):
        with pytest.raises(NotAllowed):
            set_limit(new_id(), facts, by=cast.actor(person))
    with pytest.raises(NotAllowed):
        set_limit(new_id(), facts, by=cast.contact(cast.otto))
    made = new_id()
    one = set_limit(made, facts, by=cast.actor(cast.ada))
    with pytest.raises(NotAllowed):
        withdraw_limit(one, by=cast.actor(cast.bea))
    assert set_limit(made, facts, by=cast.actor(cast.ada)) is one
    with pytest.raises(Conflict):
        other = LimitFacts(
            entity_id=cast.entity.id, kind=BILL, amount=Decimal(2), from_on=clock.today(), role=Role.BILLING
        )
        set_limit(made, other, by=cast.actor(cast.ada))


@pytest.mark.parametrize("role", [True, False])
def test_nobody_raises_their_own_limit_while_somebody_else_may(session: Session, cast: Cast, role: bool) -> None:
    pat, who = cast.actor(cast.pat), {"role": Role.PARTNER} if role else {"person_id": cast.pat.id}

    def of(amount: str | None) -> LimitFacts:
        return LimitFacts(
            entity_id=cast.entity.id, kind=BILL, amount=None if amount is None else Decimal(amount),
            from_on=clock.today(), **who,
        )  # fmt: skip

    one = limit(cast, Role.PARTNER if role else cast.pat, "500")
    for amount in ("500.01", None):
        with pytest.raises(Refused, match="raise your own limit"):
            set_limit(new_id(), of(amount), by=pat)
    with pytest.raises(Refused, match="raise your own limit"):
        withdraw_limit(one, by=pat)
    set_limit(new_id(), of("400"), by=pat)
    assert limit_of(cast, cast.pat) == 400
    set_limit(new_id(), LimitFacts(entity_id=cast.entity.id, kind=BILL, amount=None, from_on=clock.today(),
                                   role=Role.BILLING), by=pat)  # fmt: skip
    cast.ada.state = PersonState.DEACTIVATED
    session.flush()
    set_limit(new_id(), of("900"), by=pat)  # nobody else may by now
    assert limit_of(cast, cast.pat) == 900


def test_who_decides_nothing_may_set_what_their_own_role_could(session: Session, cast: Cast) -> None:
    assert not cast.actor(cast.ada).may(NEEDED[BILL])
    limit(cast, cast.ada, "500")
    limit(cast, Role.ADMIN, None)
    assert limit_of(cast, cast.ada) == 500


def test_another_currency_is_held_against_the_limit_at_the_days_rate(session: Session, cast: Cast) -> None:
    limit(cast, Role.BILLING, "500")
    bea = cast.actor(cast.bea)
    unknown = judge(BILL, cast.entity.id, Decimal(10), "EUR", clock.today(), by=bea)
    assert not unknown.within and "Without an exchange rate to GBP" in unknown.why_not
    assert judge(BILL, cast.entity.id, Decimal(10), "EUR", clock.today(), by=cast.actor(cast.pat)).within
    keep(ExchangeRate(currency="EUR", base="GBP", rate=Decimal("0.8"), from_on=dt.date(2020, 1, 1)))
    assert judge(BILL, cast.entity.id, Decimal(625), "EUR", clock.today(), by=bea).within
    over = judge(BILL, cast.entity.id, Decimal("625.02"), "EUR", clock.today(), by=bea)
    assert not over.within and over.base_amount == Decimal("500.02")


def test_the_database_keeps_a_limit_as_it_was_set(session: Session, cast: Cast) -> None:
    one = limit(cast, Role.BILLING, "500", WRITE_OFF)
    for change in ("UPDATE approval_limit SET amount = 5000", "DELETE FROM approval_limit"):
        with pytest.raises(sa.exc.IntegrityError), session.begin_nested():
            session.execute(sa.text(change))
    assert session.get_one(ApprovalLimit, one.id).amount == 500


def test_the_settings_page_sets_shows_and_withdraws(client: FlaskClient, cast: Cast) -> None:
    ada = sign_in(client, cast.ada, confirmed=True)
    page = ada.get("/settings/approval-limits").get_data(as_text=True)
    assert "No limit is set" in page
    form = {"id": str(new_id()), "who": "billing", "kind": "bill", "entity_id": str(cast.entity.id),
            "amount": "1,250.00", "from_on": clock.today().isoformat()}  # fmt: skip
    assert ada.post("/settings/approval-limits", data={**form, "amount": ""}).status_code == 422
    refused = ada.post("/settings/approval-limits", data={**form, "from_on": "2020-01-01"})
    assert refused.status_code == 422 and "1,250.00" in refused.get_data(as_text=True)
    assert ada.post("/settings/approval-limits", data=form).status_code == 303
    page = ada.get("/settings/approval-limits").get_data(as_text=True)
    assert "1,250.00 GBP" in page and "can be approved by nobody" not in page
    everybody = {**form, "id": str(new_id()), "who": "partner"}
    ada.post("/settings/approval-limits", data=everybody)
    assert "can be approved by nobody" in ada.get("/settings/approval-limits").get_data(as_text=True)
    [one] = [each for each in list_limits(seen_by=cast.actor(cast.ada)) if each.role is Role.PARTNER]
    assert ada.post(f"/settings/approval-limits/{one.id}/withdrawal").status_code == 303
    assert limit_of(cast, cast.pat) is None
