"""Periods, their names and the titles made of them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.planning.periods import (
    BadPeriods,
    MonthDay,
    Period,
    PeriodKind,
    PeriodPattern,
    vat_quarters,
)
from app.planning.titles import FIELDS, BadTitle, check_title, title

MONTH = PeriodPattern(PeriodKind.MONTH)
QUARTER = PeriodPattern(PeriodKind.QUARTER)
UK_TAX_YEAR = PeriodPattern(PeriodKind.TAX_YEAR, MonthDay(4, 5))
DAYS = st.dates(date(1995, 1, 1), date(2060, 12, 31))
PATTERNS = st.one_of(
    st.builds(
        lambda kind, when: PeriodPattern(kind, MonthDay(when.month, when.day)),
        st.sampled_from([kind for kind in PeriodKind if kind not in (PeriodKind.CUSTOM, PeriodKind.DAYS)]),
        st.dates(date(2024, 1, 1), date(2024, 12, 31)),
    ),
    st.builds(
        lambda months, when: PeriodPattern(PeriodKind.CUSTOM, MonthDay(when.month, when.day), months),
        st.integers(1, 60), st.dates(date(2024, 1, 1), date(2024, 12, 31)),
    ),
    st.builds(lambda days, when: PeriodPattern(PeriodKind.DAYS, days=days, ends_on=when), st.integers(1, 366), DAYS),
)  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "day", "start", "last", "name"),
    [
        (MONTH, date(2026, 11, 21), date(2026, 11, 1), date(2026, 11, 30), "Nov 2026"),
        (QUARTER, date(2026, 8, 1), date(2026, 7, 1), date(2026, 9, 30), "Q3 2026"),
        (PeriodPattern(PeriodKind.HALF_YEAR), date(2026, 6, 30), date(2026, 1, 1), date(2026, 6, 30), "H1 2026"),
        (PeriodPattern(PeriodKind.YEAR), date(2025, 5, 5), date(2025, 1, 1), date(2025, 12, 31), "FY 2025"),
        (PeriodPattern(PeriodKind.YEAR, MonthDay(6, 30)), date(2025, 7, 1), date(2025, 7, 1), date(2026, 6, 30),
         "FY 2026"),
        (UK_TAX_YEAR, date(2026, 4, 5), date(2025, 4, 6), date(2026, 4, 5), "2025/26"),
        (UK_TAX_YEAR, date(1999, 4, 6), date(1999, 4, 6), date(2000, 4, 5), "1999/00"),
        (PeriodPattern(PeriodKind.TAX_YEAR), date(2025, 4, 5), date(2025, 1, 1), date(2025, 12, 31), "2025"),
        (PeriodPattern(PeriodKind.MONTH, MonthDay(4, 5)), date(2026, 7, 5), date(2026, 6, 6), date(2026, 7, 5),
         "6 Jun – 5 Jul 2026"),
        (vat_quarters(1), date(2026, 3, 31), date(2026, 1, 1), date(2026, 3, 31), "Q1 2026"),
        (vat_quarters(2), date(2026, 3, 31), date(2026, 2, 1), date(2026, 4, 30), "Feb – Apr 2026"),
        (vat_quarters(3), date(2026, 12, 1), date(2026, 12, 1), date(2027, 2, 28), "Dec 2026 – Feb 2027"),
        (PeriodPattern(PeriodKind.YEAR, MonthDay(2, 28)), date(2024, 2, 29), date(2023, 3, 1), date(2024, 2, 29),
         "FY 2024"),
        (PeriodPattern(PeriodKind.CUSTOM, months=2), date(2026, 11, 21), date(2026, 11, 1), date(2026, 12, 31),
         "Nov – Dec 2026"),
    ],
)  # fmt: skip
def test_a_day_lies_in_its_period_which_has_its_name(
    pattern: PeriodPattern, day: date, start: date, last: date, name: str
) -> None:
    period = pattern.containing(day)
    assert (period.start, period.last_day, pattern.name(period)) == (start, last, name)


@given(PATTERNS, DAYS)
def test_periods_follow_each_other_without_gap_or_overlap(pattern: PeriodPattern, day: date) -> None:
    period = pattern.containing(day)
    after, before = pattern.next(period), pattern.previous(period)
    assert day in period and day not in after and day not in before
    assert before.end == period.start and period.end == after.start
    assert pattern.containing(period.start) == pattern.containing(period.last_day) == period


@given(PATTERNS, DAYS, st.integers(0, 2000))
def test_the_periods_of_a_span_are_those_that_begin_in_it(pattern: PeriodPattern, start: date, length: int) -> None:
    end = start + timedelta(days=length)
    every_day = (start + timedelta(days=n) for n in range(length))
    assert pattern.between(start, end) == [
        pattern.containing(day) for day in every_day if pattern.containing(day).start == day
    ]


@given(st.dates(date(2024, 1, 1), date(2024, 12, 31)), st.integers(1990, 2060))
def test_one_period_ends_on_the_clients_year_end(when: date, year: int) -> None:
    for kind in (PeriodKind.MONTH, PeriodKind.QUARTER, PeriodKind.YEAR):
        pattern = PeriodPattern(kind, MonthDay(when.month, when.day))
        last_of_month = (date(year + when.month // 12, when.month % 12 + 1, 1) - timedelta(days=1)).day
        end = date(year, when.month, min(when.day, last_of_month))
        if (when.month, when.day) == (2, 28):
            end = end.replace(day=last_of_month)
        assert pattern.containing(end).last_day == end


@given(PATTERNS, DAYS)
def test_names_tell_neighbouring_periods_apart(pattern: PeriodPattern, day: date) -> None:
    period = pattern.containing(day)
    assert pattern.name(period) != pattern.name(pattern.next(period))


@pytest.mark.parametrize(
    "said",
    [{"kind": PeriodKind.CUSTOM}, {"kind": PeriodKind.CUSTOM, "months": 0}, {"kind": PeriodKind.QUARTER, "months": 4},
     {"kind": PeriodKind.DAYS}, {"kind": PeriodKind.DAYS, "days": 0, "ends_on": date(2026, 1, 2)},
     {"kind": PeriodKind.DAYS, "days": 7}, {"kind": PeriodKind.MONTH, "days": 7, "ends_on": date(2026, 1, 2)},
     {"kind": PeriodKind.YEAR, "year_end": MonthDay(2, 30)}],
)  # fmt: skip
def test_periods_that_do_not_exist_are_refused(said: dict[str, Any]) -> None:
    with pytest.raises(BadPeriods):
        PeriodPattern(**said)


def test_periods_beyond_the_calendar_are_refused() -> None:
    with pytest.raises(BadPeriods):
        MONTH.containing(date.max)
    with pytest.raises(BadPeriods):
        MONTH.between(date(1, 3, 1), date(9000, 1, 1))


# --- titles

NOVEMBER = MONTH.containing(date(2026, 11, 21))


def named(pattern: str, client: str = "Acme Ltd") -> str:
    return title(pattern, client=client, period=NOVEMBER, periods=MONTH, service="Payroll")


def test_a_title_is_made_from_its_fields() -> None:
    assert named("{client} VAT {period}") == "Acme Ltd VAT Nov 2026"
    assert named("{year} {month} {quarter} {service}") == "2026 November Q4 Payroll"
    assert named("{start} to {end} {{draft}}") == "2026-11-01 to 2026-11-30 {draft}"


def test_a_clients_name_is_never_read_as_a_pattern() -> None:
    assert named("{client}", client="{year} {0.__class__} & Co") == "{year} {0.__class__} & Co"


def test_a_title_that_grows_too_long_is_cut() -> None:
    assert len(named("{client} {period}", client="x" * 500)) == 200


@pytest.mark.parametrize(
    "pattern", ["", " ", "{", "}", "{client", "{colour}", "{client.name}", "{client[0]}", "{client!r}",
     "{client:>99}", "{}",
                "{0}", "x" * 201]
)  # fmt: skip
def test_an_unknown_field_is_refused_with_those_that_exist(pattern: str) -> None:
    with pytest.raises(BadTitle) as refused:
        check_title(pattern)
    if "{colour}" in pattern:
        assert all(f"{{{field}}}" in str(refused.value) for field in FIELDS)


@given(st.text(max_size=60))
def test_any_text_is_a_title_or_a_refusal(pattern: str) -> None:
    try:
        check_title(pattern)
    except BadTitle:
        return
    assert len(named(pattern)) <= 200


def test_periods_are_half_open() -> None:
    period = Period(date(2026, 1, 1), date(2026, 2, 1))
    assert date(2026, 1, 31) in period and date(2026, 2, 1) not in period
