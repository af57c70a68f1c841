"""A day that somebody typed is the day that they mean, or it is asked about: it is never another one."""

from __future__ import annotations

import datetime as dt

import pytest
from babel import Locale
from babel.dates import format_date
from hypothesis import example, given
from hypothesis import strategies as st

from app.core.days import read_day
from app.core.errors import Refused

ENGLISH, AMERICAN, GERMAN, FRENCH, JAPANESE = (
    Locale.parse(code) for code in ("en_GB", "en_US", "de_DE", "fr_FR", "ja_JP")
)
LANGUAGES = [Locale.parse(code) for code in (
    "en_GB", "en_US", "en_IE", "de_DE", "de_CH", "fr_FR", "es_ES", "it_IT", "pt_PT", "nl_NL", "pl_PL", "sv_SE", "cs_CZ",
    "hu_HU", "lt_LT", "ru_RU", "el_GR", "ja_JP", "zh_CN",
)]  # fmt: skip
days = st.dates(dt.date(1900, 1, 1), dt.date(2199, 12, 31))


def refusal(text: str, reader: Locale = ENGLISH) -> str:
    with pytest.raises(Refused) as refused:
        read_day(text, reader)
    return refused.value.message


@pytest.mark.parametrize(("text", "reader", "one", "other"), [
    ("03/04/2026", ENGLISH, "3 April 2026", "4 March 2026"),
    ("03/04/2026", AMERICAN, "March 4, 2026", "April 3, 2026"),
    ("3-4-2026", GERMAN, "3. April 2026", "4. März 2026"),
    ("3 4 2026", FRENCH, "3 avril 2026", "4 mars 2026"),
])
def test_what_can_be_read_two_ways_is_asked_about_with_both(text: str, reader: Locale, one: str, other: str) -> None:
    assert refusal(text, reader) == f"“{text}” can be read as {one} or as {other}; write the one that you mean."
    assert {read_day(one, reader), read_day(other, reader)} == {dt.date(2026, 4, 3), dt.date(2026, 3, 4)}


@pytest.mark.parametrize(("text", "reader", "day"), [
    ("2026-04-03", ENGLISH, dt.date(2026, 4, 3)),
    ("2026/04/03", AMERICAN, dt.date(2026, 4, 3)),
    ("31/12/2026", AMERICAN, dt.date(2026, 12, 31)),
    ("12/31/2026", ENGLISH, dt.date(2026, 12, 31)),
    ("04/04/2026", ENGLISH, dt.date(2026, 4, 4)),
    ("03.04.2026", ENGLISH, dt.date(2026, 4, 3)),
    ("3. 4. 2026", GERMAN, dt.date(2026, 4, 3)),
    ("3 Apr 2026", GERMAN, dt.date(2026, 4, 3)),
    ("3rd April 2026", ENGLISH, dt.date(2026, 4, 3)),
    ("April 3, 2026", ENGLISH, dt.date(2026, 4, 3)),
    ("Friday, 3 April 2026", ENGLISH, dt.date(2026, 4, 3)),
    ("3 mars 2026", FRENCH, dt.date(2026, 3, 3)),
    ("2026年4月3日", JAPANESE, dt.date(2026, 4, 3)),
    ("０３.０４.２０２６", JAPANESE, dt.date(2026, 4, 3)),
])
def test_what_has_one_reading_is_read(text: str, reader: Locale, day: dt.date) -> None:
    assert read_day(text, reader) == day


@pytest.mark.parametrize("text", [
    "30/02/2026", "31.04.2026", "03/04/26", "3 April", "April 2026", "3 mars 2026", "Monday, 3 April 2026",
    "3 April 26", "tomorrow", "1/2/3/2026", "2026", "2026-13-01", "around 3 April 2026",
    "9" * 100, "٣/٤/٢٠٢٦ x", "٠٠٠٠-٠١-٠١",
])  # fmt: skip
def test_what_is_no_day_is_refused_with_one_to_copy(text: str) -> None:
    assert refusal(text) == "Write the date like 31 December 2025."


@given(days, st.sampled_from(LANGUAGES), st.sampled_from(["full", "long"]))
@example(dt.date(2000, 5, 1), Locale.parse("el_GR"), "full")
def test_a_day_written_out_is_read_again_as_itself(day: dt.date, reader: Locale, width: str) -> None:
    assert read_day(format_date(day, width, reader), reader) == day


@given(st.integers(1, 31), st.integers(1, 31), st.sampled_from("/- "), st.sampled_from(LANGUAGES))
def test_of_two_numbers_only_one_order_is_ever_taken(one: int, other: int, sign: str, reader: Locale) -> None:
    """Held against the calendar: both orders are days, and different ones, exactly where it is refused with both."""
    orders = set()
    for day, month in ((one, other), (other, one)):
        try:
            orders.add(dt.date(2026, month, day))
        except ValueError:
            continue
    text = f"{one:02d}{sign}{other:02d}{sign}2026"
    if len(orders) == 1:
        assert read_day(text, reader) in orders
    else:
        assert ("can be read as" in refusal(text, reader)) == (len(orders) == 2)


@given(st.text(max_size=70), st.sampled_from(LANGUAGES))
def test_no_text_breaks_the_reader(text: str, reader: Locale) -> None:
    try:
        assert read_day(text, reader) == read_day(text, reader)
    except Refused as refused:
        assert refused.message.endswith(".")
