"""Rate cards follow one another: taking one out of use and back again leaves no day without the card it had."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.core.db import db, transaction
from app.core.errors import NotAllowed, Refused
from app.core.ids import new_id
from app.timekeeping.commands.rates import RateFacts, add_rate, archive_rate, restore_rate
from app.timekeeping.models import Rate
from app.timekeeping.queries import rate_holes
from tests.make import Cast, make_cast, sign_in
from tests.timekeeping.make_time import make_entry, make_rate
from tests.together import at_once

JANUARY, MARCH, JUNE, SEPTEMBER = (dt.date(2026, month, 1) for month in (1, 3, 6, 9))


def card(cast: Cast, from_on: dt.date, amount: str = "100", **more: object) -> Rate:
    """One of Sam's."""
    facts = {"from_on": from_on, "amount": Decimal(amount), "currency": "GBP", "person_id": cast.sam.id} | more
    return add_rate(new_id(), RateFacts(**facts), by=cast.actor(cast.pat))  # type: ignore[arg-type]


def span(rate: Rate) -> tuple[dt.date, dt.date | None]:
    db.session.refresh(rate)
    return rate.from_on, rate.to_on


def test_archiving_a_mistaken_card_lets_the_one_that_it_had_ended_go_on(cast: Cast) -> None:
    make_rate("50")
    first, mistaken = card(cast, JANUARY), card(cast, JUNE, "1")
    assert span(first) == (JANUARY, JUNE)
    archive_rate(mistaken, by=cast.actor(cast.pat))
    assert span(first) == (JANUARY, None) and first.ended_by is None
    assert make_entry(cast, worked_on=SEPTEMBER).rate == 100


def test_undoing_the_archiving_ends_it_again_and_a_second_press_changes_nothing(cast: Cast) -> None:
    first, second = card(cast, JANUARY), card(cast, JUNE, "110")
    for act, until in ((archive_rate, None), (restore_rate, JUNE), (archive_rate, None)):
        for _press in range(2):
            act(second, by=cast.actor(cast.pat))
            assert span(first) == (JANUARY, until)
    assert make_entry(cast, worked_on=SEPTEMBER).rate == 100


def test_a_card_between_two_goes_and_comes_back_without_a_hole(cast: Cast) -> None:
    first, last = card(cast, JANUARY), card(cast, SEPTEMBER, "120")
    between = card(cast, MARCH, "110")
    assert [span(each) for each in (first, between, last)] == [
        (JANUARY, MARCH), (MARCH, SEPTEMBER), (SEPTEMBER, None)
    ]  # fmt: skip
    archive_rate(between, by=cast.actor(cast.pat))
    assert span(first) == (JANUARY, SEPTEMBER)
    archive_rate(last, by=cast.actor(cast.pat))
    assert span(first) == (JANUARY, None)
    restore_rate(between, by=cast.actor(cast.pat))
    assert [span(each) for each in (first, between)] == [(JANUARY, MARCH), (MARCH, None)]
    restore_rate(last, by=cast.actor(cast.pat))
    assert span(between) == (MARCH, SEPTEMBER)
    assert rate_holes(seen_by=cast.actor(cast.pat)) == []


def test_what_another_card_has_ended_since_stays_ended(cast: Cast) -> None:
    first, mistaken = card(cast, JANUARY), card(cast, JUNE, "1")
    card(cast, MARCH, "110")
    archive_rate(mistaken, by=cast.actor(cast.pat))
    assert span(first) == (JANUARY, MARCH)


def test_a_card_is_not_used_again_beside_one_from_the_same_day(cast: Cast) -> None:
    mistaken = card(cast, JUNE, "1")
    archive_rate(mistaken, by=cast.actor(cast.pat))
    card(cast, JUNE, "110")
    with pytest.raises(Refused, match="a rate from that very day"):
        restore_rate(mistaken, by=cast.actor(cast.pat))
    db.session.refresh(mistaken)
    assert mistaken.archived_at is not None


def test_a_restored_card_values_what_waited_for_it(cast: Cast) -> None:
    only = card(cast, JANUARY)
    archive_rate(only, by=cast.actor(cast.pat))
    entry = make_entry(cast, worked_on=JUNE)
    assert entry.waiting
    restore_rate(only, by=cast.actor(cast.pat))
    assert not entry.waiting


def test_a_hole_in_somebodys_cards_is_shown_with_its_days(client: FlaskClient, cast: Cast) -> None:
    first = card(cast, JANUARY)
    first.to_on = MARCH
    db.session.commit()
    [hole] = rate_holes(seen_by=cast.actor(cast.pat))
    assert (hole.from_on, hole.to_on, hole.row.person) == (MARCH, None, cast.sam.name)
    keep = card(cast, JUNE, "110")
    [hole] = rate_holes(seen_by=cast.actor(cast.pat))
    assert (hole.from_on, hole.to_on) == (MARCH, JUNE)
    page = sign_in(client, cast.pat).get("/settings/rates").text
    assert f"{cast.sam.name} (GBP): no card of their own from" in page and "until" in page
    assert client.post(f"/settings/rates/{keep.id}/archive").status_code == 303
    assert "Undo" in client.get(f"/settings/rates?archived={keep.id}").text
    assert client.post(f"/settings/rates/{keep.id}/restoration").status_code == 303
    assert rate_holes(seen_by=cast.actor(cast.sam)) == []


def test_who_may_not_set_rates_takes_none_back_into_use(cast: Cast) -> None:
    only = card(cast, JANUARY)
    for nobody in (cast.actor(cast.sam), cast.actor(cast.mel)):
        for act in (archive_rate, restore_rate):
            with pytest.raises(NotAllowed):
                act(only, by=nobody)


@pytest.mark.real
def test_the_database_holds_one_card_a_day_for_the_same_people_and_work(cast: Cast, session: Session) -> None:
    for more in ({"person_id": cast.sam.id}, {"grade": "Senior"}, {}):
        facts = {"amount": 1, "currency": "GBP"} | more
        session.execute(sa.insert(Rate).values(id=new_id(), from_on=JANUARY, **facts))
        with pytest.raises(IntegrityError, match="ex_rate_one_a_day"), session.begin_nested():
            session.execute(sa.insert(Rate).values(id=new_id(), from_on=JUNE, **facts))


@pytest.mark.real
def test_two_cards_added_at_once_follow_one_another(real_app: Flask) -> None:
    with real_app.app_context():
        with transaction():
            cast = make_cast()
        pat, sam = cast.actor(cast.pat), cast.sam.id

    def add(from_on: dt.date) -> object:
        return add_rate(new_id(), RateFacts(from_on=from_on, amount=Decimal(1), currency="GBP", person_id=sam), by=pat)

    done = at_once(real_app, *(lambda day=day: add(day) for day in (JANUARY, MARCH, JUNE, JUNE)))
    assert len([each for each in done if isinstance(each, Refused)]) == 1
    with real_app.app_context():
        spans = db.session.execute(sa.select(Rate.from_on, Rate.to_on).order_by(Rate.from_on)).all()
        assert spans == [(JANUARY, MARCH), (MARCH, JUNE), (JUNE, None)]
