"""RFC 5545 rules, checked against dateutil on rules that it can finish."""

from __future__ import annotations

import datetime as datetime_module
import time
from collections.abc import Iterator
from datetime import date, datetime
from types import SimpleNamespace

import dateutil.rrule
import pytest
from dateutil.rrule import rrulestr
from hypothesis import given
from hypothesis import strategies as st

from app.planning.recurrence import (
    MOST_OCCURRENCES,
    WEEKDAYS,
    BadRecurrence,
    describe_recurrence,
    occurrences,
    parse_recurrence,
)


def test_a_rule_over_quarters_begins_at_its_anchor() -> None:
    assert occurrences("FREQ=MONTHLY;INTERVAL=3", date(2026, 2, 1), horizon=date(2026, 12, 31)) == [
        date(2026, 2, 1), date(2026, 5, 1), date(2026, 8, 1), date(2026, 11, 1),
    ]  # fmt: skip


def test_count_until_and_horizon_each_end_a_rule() -> None:
    rule, anchor, far = "RRULE:FREQ=MONTHLY;COUNT=3", date(2026, 1, 31), date(2030, 1, 1)
    assert occurrences(rule, anchor, horizon=far) == [date(2026, 1, 31), date(2026, 3, 31), date(2026, 5, 31)]
    assert occurrences("FREQ=YEARLY;UNTIL=20280601T000000Z", anchor, horizon=far)[-1] == date(2028, 1, 31)
    assert occurrences("FREQ=YEARLY", anchor, horizon=far, until=date(2027, 1, 31))[-1] == date(2027, 1, 31)
    assert len(occurrences("FREQ=YEARLY", anchor, horizon=far, count=2)) == 2
    assert occurrences("FREQ=DAILY", anchor, horizon=date(2026, 1, 30)) == []


@pytest.mark.parametrize(
    "text",
    ["", "FREQ=SECONDLY", "FREQ=MINUTELY", "FREQ=HOURLY", "INTERVAL=2", "FREQ=DAILY;FREQ=DAILY",
     "FREQ=DAILY;INTERVAL=0",
     "FREQ=DAILY;INTERVAL=1001", "FREQ=DAILY;BYHOUR=9", "FREQ=DAILY;BYSECOND=1", "FREQ=YEARLY;BYWEEKNO=1",
     "FREQ=YEARLY;BYYEARDAY=1", "FREQ=MONTHLY;BYMONTHDAY=0", "FREQ=MONTHLY;BYMONTHDAY=32", "FREQ=MONTHLY;BYDAY=XX",
     "FREQ=WEEKLY;BYDAY=1MO", "FREQ=WEEKLY;BYMONTHDAY=1", "FREQ=MONTHLY;BYSETPOS=1", "FREQ=DAILY;COUNT=0",
     "FREQ=DAILY;COUNT=1;UNTIL=20260101", "FREQ=DAILY;UNTIL=20261301", "FREQ=DAILY;WKST=XX", "FREQ=DAILY;;INTERVAL=2",
     "FREQ=DAILY;COUNT=99999", "DTSTART:20260101", "x" * 501, "FREQ=MONTHLY;BYMONTHDAY=1e3", "FREQ=YEARLY;BYMONTH=-1"],
)  # fmt: skip
def test_what_is_too_short_unknown_or_malformed_is_refused(text: str) -> None:
    with pytest.raises(BadRecurrence) as refused:
        parse_recurrence(text)
    assert str(refused.value).endswith(".")


def test_a_rule_that_never_matches_ends_with_its_horizon() -> None:
    begun = time.process_time()
    for rule in ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "FREQ=MONTHLY;INTERVAL=12;BYMONTH=2;BYMONTHDAY=31"):
        assert occurrences(rule, date(2026, 1, 1), horizon=date(2056, 1, 1)) == []
    assert time.process_time() - begun < 1


def test_an_expansion_without_measure_is_refused() -> None:
    with pytest.raises(BadRecurrence, match=str(MOST_OCCURRENCES)):
        occurrences("FREQ=DAILY", date(2026, 1, 1), horizon=date(2126, 1, 1))
    with pytest.raises(BadRecurrence, match="100 years"):
        occurrences("FREQ=YEARLY", date(2026, 1, 1), horizon=date(2127, 1, 1))
    with pytest.raises(BadRecurrence, match="beyond the calendar"):
        occurrences("FREQ=WEEKLY", date(9999, 12, 1), horizon=date.max)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("FREQ=MONTHLY;INTERVAL=3", "every 3 months"),
        ("FREQ=WEEKLY;BYDAY=MO,FR", "every week on Monday and Friday"),
        ("FREQ=MONTHLY;BYDAY=-1FR;COUNT=4", "every month on the last Friday, 4 times"),
        ("FREQ=YEARLY;BYMONTH=1,7;BYMONTHDAY=-1;UNTIL=20301231",
         "every year in January and July on the last day, until 31 December 2030"),
    ],
)  # fmt: skip
def test_a_rule_reads_as_plain_english(rule: str, words: str) -> None:
    assert describe_recurrence(rule) == words


@st.composite
def rules(draw: st.DrawFn) -> str:
    frequency = draw(st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]))
    parts = [f"FREQ={frequency}", f"INTERVAL={draw(st.integers(1, 14))}", f"WKST={draw(st.sampled_from(WEEKDAYS))}"]
    numbers = st.lists(st.integers(1, 12), min_size=1, max_size=3, unique=True)
    if draw(st.booleans()):
        parts.append("BYMONTH=" + ",".join(map(str, draw(numbers))))
    by_day = draw(st.lists(st.sampled_from(WEEKDAYS), max_size=3, unique=True))
    if frequency in ("MONTHLY", "YEARLY"):
        counted = draw(st.booleans())  # dateutil cannot mix MO and 1TU in one rule
        by_day = [draw(st.sampled_from(["1", "2", "-1", "5"])) + name if counted else name for name in by_day]
    if by_day:
        parts.append("BYDAY=" + ",".join(by_day))
    month_days = []
    if frequency != "WEEKLY":
        choice = st.integers(-31, 31).filter(bool)
        month_days = draw(st.lists(choice, max_size=3, unique=True))
    if month_days:
        parts.append("BYMONTHDAY=" + ",".join(map(str, month_days)))
    if frequency in ("MONTHLY", "YEARLY") and (by_day or month_days) and draw(st.booleans()):
        parts.append(f"BYSETPOS={draw(st.sampled_from([1, 2, -1, -2]))}")
    return ";".join(parts)


@pytest.fixture(scope="module")
def dateutil_that_ends() -> Iterator[None]:
    """Where nothing matches, dateutil looks on until the last year there is; here that is soon."""
    shim = SimpleNamespace(**vars(datetime_module))
    shim.MAXYEAR = 2027
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dateutil.rrule, "datetime", shim)
        yield


@pytest.mark.usefixtures("dateutil_that_ends")
@given(rules(), st.dates(date(2019, 1, 1), date(2022, 12, 31)))
def test_every_rule_gives_the_dates_that_dateutil_gives(rule: str, anchor: date) -> None:
    end = date(anchor.year + 4, 12, 31)
    start = datetime(anchor.year, anchor.month, anchor.day)
    expected = [found.date() for found in rrulestr(f"{rule};UNTIL={end:%Y%m%d}", dtstart=start)]
    assert occurrences(rule, anchor, horizon=end) == expected
