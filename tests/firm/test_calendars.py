"""Working days and holiday calendars."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.firm.calendars import UnknownCalendar, calendar_for, list_calendar_ids

DAYS = st.dates(date(2015, 1, 1), date(2035, 12, 31))
CALENDARS = st.sampled_from(["US-DC", "US-FED", "GB-ENG", "DE", "DE-BY", "FR", "IE", "NONE"])


@pytest.mark.parametrize(
    ("calendar_id", "day", "reason"),
    [
        ("US-DC", date(2016, 4, 15), "Emancipation Day (observed)"), ("US-FED", date(2016, 4, 15), None),
        ("US-DC", date(2017, 1, 20), "Inauguration Day"),
        ("US-FED", date(2026, 7, 3), "Independence Day (observed)"),
        ("GB-ENG", date(2026, 4, 6), "Easter Monday"), ("GB-SCT", date(2026, 4, 6), None),
        ("DE", date(2026, 1, 6), None), ("DE-BY", date(2026, 1, 6), "Epiphany"),
        ("IE", date(2026, 3, 17), "Saint Patrick's Day"),
        ("FR", date(2026, 7, 14), "National Day"), ("NONE", date(2026, 12, 25), None),
        ("NONE", date(2026, 11, 21), "Saturday"),
    ],
)  # fmt: skip
def test_each_calendar_knows_its_holidays(calendar_id: str, day: date, reason: str | None) -> None:
    assert calendar_for(calendar_id).why_closed(day) == reason


def test_new_year_on_a_saturday_is_observed_in_the_year_before() -> None:
    assert date(2021, 12, 31) in calendar_for("US-FED").holidays(2021)


def test_holidays_are_kept_where_they_fall_when_none_is_observed_on_another_day() -> None:
    assert calendar_for("US-FED", observed=False).is_working_day(date(2026, 7, 3))


def test_the_firms_closures_are_no_working_days() -> None:
    open_days, closed = calendar_for("GB-ENG"), calendar_for("GB-ENG", closures=[date(2026, 11, 23)])
    assert open_days.next_working_day(date(2026, 11, 20)) == date(2026, 11, 23)
    assert closed.next_working_day(date(2026, 11, 20)) == date(2026, 11, 24)
    assert closed.why_closed(date(2026, 11, 23)) == "Closed"


def test_a_calendar_is_made_once() -> None:
    assert calendar_for("us-dc") is calendar_for("US-DC")
    assert calendar_for("UK-ENG") is calendar_for("GB-ENG")


@pytest.mark.parametrize("calendar_id", ["", "XX", "GB-XX", "US-DC-1", "\x00", "ENG" * 1000])
def test_an_unknown_calendar_is_refused(calendar_id: str) -> None:
    with pytest.raises(UnknownCalendar):
        calendar_for(calendar_id)


def test_an_unknown_region_names_those_that_exist() -> None:
    with pytest.raises(UnknownCalendar, match="GB-ENG"):
        calendar_for("GB-XX")


def test_the_list_to_choose_from_holds_only_calendars_that_work() -> None:
    ids = dict(list_calendar_ids())
    assert {"US-FED", "US-DC", "GB-ENG", "DE-BY", "FR", "IE", "NONE"} <= ids.keys()
    for calendar_id in list(ids)[::97]:
        assert calendar_for(calendar_id).id == calendar_id


@given(CALENDARS, DAYS, st.integers(-40, 40))
def test_adding_working_days_agrees_with_counting_them(calendar_id: str, day: date, count: int) -> None:
    calendar = calendar_for(calendar_id)
    found = calendar.add_working_days(day, count)
    one = timedelta(days=1)
    if count == 0:
        assert found == day
    elif count > 0:
        assert calendar.is_working_day(found)
        assert calendar.count_working_days(day + one, found + one) == count
    else:
        assert calendar.is_working_day(found)
        assert calendar.count_working_days(found, day) == -count


@given(CALENDARS, DAYS)
def test_rolling_finds_the_nearest_working_day_and_stays_on_one(calendar_id: str, day: date) -> None:
    calendar = calendar_for(calendar_id)
    forward, back = calendar.roll_forward(day), calendar.roll_back(day)
    assert back <= day <= forward
    assert calendar.count_working_days(back + timedelta(days=1), forward) == 0
    assert calendar.is_working_day(forward) and calendar.is_working_day(back)
    assert (back == day == forward) == calendar.is_working_day(day)
