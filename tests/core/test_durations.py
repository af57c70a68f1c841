"""Durations as typed and as shown."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.durations import BadDuration, format_duration, format_hours, parse_duration


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("1:30", 90), ("1.5", 90), ("1,5", 90), ("90m", 90), ("1h 30m", 90), ("01:30:00", 90), ("2", 120),
        ("45m", 45),
        ("1h30", 90), ("1h", 60), ("90 min", 90), ("1 hr 20 mins", 80), ("1.5h", 90), (" 1H 30M ", 90),
        (".5", 30),
        ("0:06", 6), ("24", 1440), ("0", 0), ("2 hours", 120), ("1h 30 m", 90), ("0,1", 6),
        (":30", 30), (":06", 6), ("1.25", 75), ("0.50", 30), ("1.00", 60), ("1.75", 105), ("1.3", 78), ("1.30h", 78),
    ],
)  # fmt: skip
def test_every_way_of_writing_a_duration_is_read(text: str, minutes: int) -> None:
    assert parse_duration(text) == timedelta(minutes=minutes)


@pytest.mark.parametrize(
    "text",
    ["", "  ", "abc", "1:75", "1:30:99", "-1", "1h 2h", "30m 1h", "1:2:3:4", "1..5", "1h x", "²", "1e3",
     "h", ":", ":3:", "1:",
     "1 30", "nan", "1\x00", "9" * 5000, "1" * 10_000 + "h", "25", "24:01", "1441m", "١:٣٠"],
)  # fmt: skip
def test_anything_else_is_refused_in_a_short_sentence(text: str) -> None:
    with pytest.raises(BadDuration) as refused:
        parse_duration(text)
    assert str(refused.value).endswith(".") and len(str(refused.value)) < 200


def test_a_number_that_was_meant_as_minutes_is_refused_with_the_way_to_write_it() -> None:
    with pytest.raises(BadDuration, match="For minutes write 45m"):
        parse_duration("45")


def test_an_estimate_may_be_longer_than_a_day() -> None:
    assert parse_duration("45", most=timedelta(hours=1000)) == timedelta(hours=45)


def test_seconds_are_cut_off_or_shown() -> None:
    value = timedelta(hours=1, minutes=24, seconds=59)
    assert format_duration(value) == "1:24"
    assert format_duration(value, seconds=True) == "1:24:59"
    assert format_duration(-timedelta(minutes=6)) == "-0:06"
    assert format_duration(-timedelta(seconds=30)) == "0:00"
    assert format_duration(timedelta(days=5)) == "120:00"
    assert format_hours(timedelta(minutes=84)) == "1.40"
    assert format_hours(timedelta(minutes=20)) == "0.33"


@given(st.integers(0, 24 * 3600))
def test_what_is_shown_with_seconds_is_read_back_as_it_was(seconds: int) -> None:
    value = timedelta(seconds=seconds)
    assert parse_duration(format_duration(value, seconds=True)) == value


@given(st.text(max_size=40))
def test_any_text_gives_a_duration_of_at_most_a_day_or_a_refusal(text: str) -> None:
    try:
        value = parse_duration(text)
    except BadDuration:
        return
    assert timedelta(0) <= value <= timedelta(days=1)


@pytest.mark.parametrize(
    ("text", "one", "other"), [("1.30", "1:18", "1:30"), ("0,45", "0:27", "0:45"), (".10", "0:06", "0:10")]
)
def test_what_can_be_read_two_ways_is_asked_about_with_both_readings(text: str, one: str, other: str) -> None:
    with pytest.raises(BadDuration, match=f"two ways: {one} as hours in decimals, or {other}") as refused:
        parse_duration(text)
    assert parse_duration(one) != parse_duration(other) and text in str(refused.value)
