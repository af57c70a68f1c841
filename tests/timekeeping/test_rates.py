"""Which rate applies: the most exact one that holds on the day."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from app.catalogue.models import WorkRole
from app.core.clock import today
from app.core.errors import NotAllowed, Refused
from app.core.ids import new_id
from app.timekeeping.commands.rates import RateFacts, add_rate, archive_rate
from app.timekeeping.queries import list_rates
from app.timekeeping.rates import find_rate
from tests.make import Cast
from tests.timekeeping.make_time import make_rate


def test_the_more_exact_rate_wins_each_time(cast: Cast) -> None:
    """Each of these is more exact than all before it."""
    ladder: list[dict[str, object]] = [
        {},
        {"grade": "staff"},
        {"work_role": WorkRole.PREPARER},
        {"person_id": cast.sam.id},
        {"activity": "Court"},
        {"client_id": cast.acme.id},
        {"client_id": cast.acme.id, "work_role": WorkRole.PREPARER},
        {"client_id": cast.acme.id, "person_id": cast.sam.id},
        {"engagement_id": cast.acme_work.id},
        {"engagement_id": cast.acme_work.id, "work_role": WorkRole.PREPARER},
        {"engagement_id": cast.acme_work.id, "person_id": cast.sam.id},
    ]
    for step, applies_to in enumerate(ladder):
        make_rate(str(100 + step), **applies_to)
        found = find_rate(cast.acme_work, cast.sam, today(), work_role=WorkRole.PREPARER, activity="Court")
        assert found.amount == 100 + step, applies_to
        assert len(found.considered) == step + 1


def test_what_does_not_fit_is_not_considered(cast: Cast) -> None:
    make_rate("500", person_id=cast.mel.id)
    make_rate("500", client_id=cast.rival.id)
    make_rate("500", currency="EUR")
    make_rate("500", from_on=today() + dt.timedelta(days=1))
    make_rate("500", to_on=today())
    found = find_rate(cast.acme_work, cast.sam, today())
    assert (found.amount, found.considered) == (None, ()) and "no rate card in GBP" in found.source


def test_a_new_rate_ends_the_old_one_and_both_keep_their_days(cast: Cast) -> None:
    pat, spring, summer = cast.actor(cast.pat), dt.date(2026, 3, 1), dt.date(2026, 6, 1)
    for day, amount in ((summer, 120), (spring, 100)):
        add_rate(new_id(), RateFacts(from_on=day, amount=Decimal(amount), currency="GBP"), by=pat)
    days = {spring: 100, summer - dt.timedelta(days=1): 100, summer: 120}
    assert {day: find_rate(cast.acme_work, cast.sam, day).amount for day in days} == days
    with pytest.raises(Refused, match="that very day"):
        add_rate(new_id(), RateFacts(from_on=summer, amount=Decimal(1), currency="GBP"), by=pat)


def test_rates_are_for_those_who_may_see_and_set_them(cast: Cast) -> None:
    rate = make_rate("100", client_id=cast.rival.id)
    assert list_rates(seen_by=cast.actor(cast.mel))
    for nobody in (cast.actor(cast.sam), cast.actor(cast.wes), cast.contact(cast.otto)):
        assert not list_rates(seen_by=nobody)
        with pytest.raises(NotAllowed):
            archive_rate(rate, by=nobody)
