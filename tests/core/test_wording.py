"""Amounts, durations and dates as people say them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from flask import Flask
from flask_babel import Babel, force_locale

from app.core import wording
from app.core.money import Money

TODAY = dt.date(2025, 12, 10)


@pytest.fixture(autouse=True)
def reader() -> object:
    app = Flask("wording")
    Babel(app, default_locale="en_GB")
    with app.test_request_context():
        yield


@pytest.mark.parametrize(("minutes", "said"), [(0, "0:00"), (84, "1:24"), (6000, "100:00"), (-30, "−0:30")])
def test_durations_read_as_hours_and_minutes(minutes: int, said: str) -> None:
    assert wording.duration(dt.timedelta(minutes=minutes)) == said


def test_half_a_minute_rounds_up() -> None:
    assert wording.duration(dt.timedelta(seconds=90)) == "0:02"


def test_amounts_keep_the_decimals_of_their_currency() -> None:
    assert wording.amount(Money(Decimal("1234.5"), "GBP")) == "1,234.50"
    assert wording.amount(Money(Decimal("1234"), "JPY")) == "1,234"
    assert wording.money(Money(Decimal("-1234.5"), "GBP")) == "-£1,234.50"
    assert wording.amount(Money(Decimal("-0.125"), "GBP")) == "-0.13"
    assert wording.amount(None) == ""


def test_amounts_are_grouped_as_the_reader_groups_them() -> None:
    with force_locale("de_DE"):
        assert wording.amount(Money(Decimal("1234567.5"), "EUR")) == "1.234.567,50"


@pytest.mark.parametrize(
    ("days", "said"),
    [(0, "today"), (1, "tomorrow"), (-1, "yesterday"), (2, "Fri 12 Dec"), (30, "Fri 9 Jan 2026")],
)
def test_days_are_named_as_people_name_them(days: int, said: str) -> None:
    assert wording.day(TODAY + dt.timedelta(days=days), TODAY) == said


@pytest.mark.parametrize(("days", "said"), [(3, "in 3 days"), (-2, "2 days ago"), (6, "in 6 days"), (7, "Wed 17 Dec")])
def test_near_days_are_told_by_their_distance(days: int, said: str) -> None:
    assert wording.distance(TODAY + dt.timedelta(days=days), TODAY) == said


@pytest.mark.parametrize(
    ("name", "letters"),
    [("Mel Okafor", "MO"), ("Cleo", "C"), ("J. R. R. Tolkien", "JT"), ("שלום", "ש"), ("", "?")],
)
def test_initials_are_the_first_and_last_words_letters(name: str, letters: str) -> None:
    assert wording.initials(name) == letters


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("Acme Ltd VAT Q3 2026", "VAT Q3 2026"),
        ("Acme Ltd: advice", "Advice"),
        ("Acme Ltd", "Acme Ltd"),
        ("Help for Acme Ltd", "Help for Acme Ltd"),
    ],
)
def test_a_title_does_not_say_again_the_name_beside_it(title: str, said: str) -> None:
    assert wording.beside(title, "Acme Ltd") == said


def test_a_year_end_is_a_day_and_a_month() -> None:
    assert wording.day_of_year((2, 29)) == "29 February"


def test_one_is_one_and_more_are_several() -> None:
    assert [wording.counted(n, "entry", "entries") for n in (0, 1, 2)] == ["0 entries", "1 entry", "2 entries"]
    assert wording.counted(1, "day") == "1 day"


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/141.0 Safari/537.36", "Chrome on Linux"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1", "Safari on iPhone"),
        ("curl/8", "A browser"),
    ],
)
def test_a_browser_is_called_what_people_call_it(agent: str, said: str) -> None:
    assert wording.browser(agent) == said
