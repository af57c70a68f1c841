"""Due rules, against a slow definition that walks the calendar day by day."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.catalogue.due_rule_json import from_json, to_json
from app.catalogue.due_rule_words import describe
from app.catalogue.due_rules import (
    BadDueRule,
    Day,
    DueRule,
    DueRuleCycle,
    MissingAnchor,
    MonthDay,
    MonthEnd,
    Roll,
    RollTo,
    Shift,
    Step,
    Unit,
    Weekday,
    Which,
    day,
    days,
    explain,
    month_day,
    month_end,
    months,
    order_rules,
    resolve,
    resolve_all,
    roll_to,
    weekday,
    weeks,
    working_days,
    years,
)
from app.firm.calendars import WorkingCalendar, calendar_for

DC = calendar_for("US-DC")
ENGLAND = calendar_for("GB-ENG")
ONE = timedelta(days=1)


def due(rule: DueRule, start: date, calendar: WorkingCalendar = ENGLAND) -> date:
    return resolve(rule, {rule.anchor: start}, calendar)


@pytest.mark.parametrize(
    ("steps", "start", "expected"),
    [
        ((), date(2026, 6, 30), date(2026, 6, 30)),
        ((months(3), day(15)), date(2025, 12, 31), date(2026, 3, 15)),
        ((months(9),), date(2025, 6, 30), date(2026, 3, 30)),
        ((months(9, keep_month_end=True),), date(2025, 6, 30), date(2026, 3, 31)),
        ((months(9, keep_month_end=True), days(1)), date(2026, 2, 28), date(2026, 12, 1)),
        ((months(6, keep_month_end=True),), date(2025, 6, 5), date(2025, 12, 5)),
        ((months(1),), date(2026, 1, 31), date(2026, 2, 28)),
        ((years(1),), date(2024, 2, 29), date(2025, 2, 28)),
        ((years(1, keep_month_end=True),), date(2023, 2, 28), date(2024, 2, 29)),
        ((months(-1), month_end()), date(2026, 3, 5), date(2026, 2, 28)),
        ((day(31),), date(2026, 4, 2), date(2026, 4, 30)),
        ((day(23, at_most=True),), date(2026, 9, 30), date(2026, 9, 23)),
        ((day(23, at_most=True),), date(2026, 9, 15), date(2026, 9, 15)),
        ((weeks(-2),), date(2026, 3, 1), date(2026, 2, 15)),
        ((working_days(3),), date(2026, 4, 2), date(2026, 4, 9)),
        ((working_days(-3),), date(2026, 4, 9), date(2026, 4, 2)),
        ((weekday("tue", "fri"),), date(2026, 2, 4), date(2026, 2, 6)),
        ((weekday("fri", which=Which.AFTER),), date(2026, 2, 6), date(2026, 2, 13)),
        ((weekday("mon", which=Which.BEFORE),), date(2026, 2, 9), date(2026, 2, 2)),
        ((month_day("01-31"),), date(2025, 4, 5), date(2026, 1, 31)),
        ((month_day("01-31"),), date(2026, 1, 31), date(2026, 1, 31)),
        ((month_day("01-31", which=Which.AFTER),), date(2026, 1, 31), date(2027, 1, 31)),
        ((month_day("01-31", which=Which.ON_OR_BEFORE),), date(2026, 4, 5), date(2026, 1, 31)),
        ((month_day("06-15", which=Which.SAME_YEAR),), date(2026, 12, 31), date(2026, 6, 15)),
        ((month_day("01-31", which=Which.FOLLOWING_YEAR),), date(2026, 1, 1), date(2027, 1, 31)),
        ((month_day("02-29"),), date(2025, 1, 1), date(2025, 2, 28)),
        ((month_day("04-15", "06-15", "09-15", "01-15"),), date(2026, 6, 16), date(2026, 9, 15)),
        ((days(30), roll_to(Roll.NEXT), days(3)), date(2026, 4, 4), date(2026, 5, 8)),
    ],
)  # fmt: skip
def test_each_step_moves_the_date_as_it_says(steps: tuple[Step, ...], start: date, expected: date) -> None:
    assert due(DueRule("period_end", steps), start) == expected


@pytest.mark.parametrize(
    ("step", "start", "expected"),
    [
        (days(14), date(2026, 3, 1), date(2026, 3, 14)),
        (days(-14), date(2026, 3, 15), date(2026, 3, 2)),
        (weeks(2), date(2026, 3, 1), date(2026, 3, 14)),
        (months(3), date(2026, 1, 1), date(2026, 3, 31)),
        (working_days(1), date(2026, 3, 2), date(2026, 3, 2)),
        (working_days(1), date(2026, 3, 1), date(2026, 3, 2)),
        (working_days(-2), date(2026, 3, 3), date(2026, 3, 2)),
    ],
)
def test_a_period_that_counts_day_zero_begins_with_the_day_itself(step: Shift, start: date, expected: date) -> None:
    assert due(DueRule("trigger", (step,), day_zero_counts=True), start) == expected


def test_a_statutory_date_rolls_on_its_own_jurisdictions_calendar() -> None:
    rule = DueRule("period_end", (months(4), day(15)), Roll.NEXT)
    assert due(rule, date(2015, 12, 31), DC) == date(2016, 4, 18)
    assert due(rule, date(2015, 12, 31), ENGLAND) == date(2016, 4, 15)


def test_a_date_rolls_back_where_the_rule_says_so() -> None:
    assert due(DueRule("named:hearing", (days(-10),), Roll.PREVIOUS), date(2007, 9, 11), DC) == date(2007, 8, 31)


def test_the_explanation_shows_the_date_before_it_rolled() -> None:
    rule = DueRule("period_end", (months(3), day(15)), Roll.NEXT)
    found = explain(rule, {"period_end": date(2025, 12, 31)}, DC)
    assert (found.unrolled, found.due) == (date(2026, 3, 15), date(2026, 3, 16))
    assert [when for _, when in found.trail] == [
        date(2025, 12, 31), date(2026, 3, 31), date(2026, 3, 15), date(2026, 3, 16),
    ]  # fmt: skip


def test_a_rule_beyond_the_calendar_is_refused() -> None:
    for steps, start in (((years(100),), date(9990, 1, 1)), ((days(-36600),), date(2, 1, 1)), ((), date.max)):
        with pytest.raises(BadDueRule):
            due(DueRule("trigger", steps, Roll.NEXT), start, calendar_for("NONE", closures=[date.max]))


# --- chains


def test_a_step_counts_from_the_due_date_of_the_step_before_it_until_that_is_completed() -> None:
    rules = {
        "review": DueRule("step:draft", (working_days(2),)),
        "draft": DueRule("job_start", (days(7),)),
        "send": DueRule("step:review", (days(1),), Roll.NEXT),
    }
    start = {"job_start": date(2026, 11, 20)}
    planned = resolve_all(rules, start, ENGLAND)
    assert planned.dates == {
        "draft": date(2026, 11, 27), "review": date(2026, 12, 1), "send": date(2026, 12, 2),
    }  # fmt: skip
    really = resolve_all(rules, {**start, "step:draft": date(2026, 12, 4)}, ENGLAND)
    assert really.dates["review"] == date(2026, 12, 8)


def test_a_step_whose_named_date_is_not_filled_in_waits_and_so_do_those_after_it() -> None:
    rules = {"a": DueRule("named:hearing", (days(-7),)), "b": DueRule("step:a"), "c": DueRule("job_start")}
    found = resolve_all(rules, {"job_start": date(2026, 1, 1)}, ENGLAND)
    assert found.dates == {"c": date(2026, 1, 1)}
    assert found.waiting == {"a": "named:hearing", "b": "step:a"}


def test_steps_that_wait_for_each_other_are_refused_with_their_path() -> None:
    rules = {"a": DueRule("step:b"), "b": DueRule("step:c"), "c": DueRule("step:a"), "d": DueRule("step:a")}
    with pytest.raises(DueRuleCycle) as refused:
        order_rules(rules)
    assert refused.value.path == ["a", "b", "c", "a"]
    assert "a → b → c → a" in str(refused.value)


@given(st.dictionaries(st.integers(0, 15), st.integers(0, 19), max_size=16))
def test_an_order_exists_exactly_when_following_the_anchors_always_ends(links: dict[int, int]) -> None:
    rules = {str(key): DueRule(f"step:{target}") for key, target in links.items()}

    def ends(key: str) -> bool:
        for _ in range(len(rules) + 1):
            if key not in rules:
                return True
            key = str(rules[key].step_key)
        return False

    if all(ends(key) for key in rules):
        order = order_rules(rules)
        assert sorted(order) == sorted(rules)
        for key in rules:
            if rules[key].step_key in rules:
                assert order.index(str(rules[key].step_key)) < order.index(key)
    else:
        with pytest.raises(DueRuleCycle):
            order_rules(rules)


# --- words and JSON


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (DueRule("period_end", (months(3), day(15)), Roll.NEXT),
         "15th of the 3rd month after period end, rolled to the next working day"),
        (DueRule("job_start"), "job's start"),
        (DueRule("period_end", (months(9, keep_month_end=True), days(1))),
         "9 months and 1 day after period end, a month end staying a month end"),
        (DueRule("deadline:VAT", (working_days(-5),)), "5 working days before the deadline VAT"),
        (DueRule("step:Review", (days(14),), day_zero_counts=True),
        "14 days beginning with the completion of Review"),
        (DueRule("named:hearing", (days(-1),), Roll.PREVIOUS),
         "1 day before hearing, rolled to the previous working day"),
        (DueRule("period_end", (months(1), month_end())), "last day of the month after period end"),
        (DueRule("trigger", (month_day("01-31"),)), "31 January on or after the trigger date"),
        (DueRule("trigger", (weekday("fri", which=Which.AFTER),)), "Friday after the trigger date"),
    ],
)  # fmt: skip
def test_a_rule_reads_as_plain_english(rule: DueRule, words: str) -> None:
    assert describe(rule) == words


@pytest.mark.parametrize(
    ("value", "part"),
    [
        (None, "must be an object"), ({}, "needs an anchor"), ({"anchor": "tomorrow"}, "is no anchor"),
        ({"anchor": "step:"}, "needs a name"), ({"anchor": "job_start", "steps": "x"}, "must be a list"),
        ({"anchor": "job_start", "steps": [{"do": "jump"}]}, "Step 1"),
        ({"anchor": "job_start", "steps": [{"do": "shift", "n": "3", "unit": "days"}]}, "whole number"),
        ({"anchor": "job_start", "steps": [{"do": "shift", "n": True, "unit": "days"}]}, "whole number"),
        ({"anchor": "job_start", "steps": [{"do": "shift", "n": 3, "unit": "fortnights"}]},
        "“unit” must be one of"),
        ({"anchor": "job_start", "steps": [{"do": "shift", "n": 10**9, "unit": "days"}]}, "at most"),
        ({"anchor": "job_start", "steps": [{"do": "day", "day": 32}]}, "between 1 and 31"),
        ({"anchor": "job_start", "steps": [{"do": "month_day", "dates": ["31-01"]}]},
        "not a day of the year"),
        ({"anchor": "job_start", "steps": [{"do": "weekday", "weekdays": ["someday"]}]}, "no weekday"),
        ({"anchor": "job_start", "roll": "sideways"}, "“roll” must be one of"),
        ({"anchor": "job_start", "day_zero_counts": True}, "Day zero"),
        ({"anchor": "job_start", "colour": "red"}, "has no “colour”"),
        ({"anchor": "job_start", "steps": [{"do": "month_end"}] * 13}, "at most 12"),
    ],
)  # fmt: skip
def test_an_unusable_rule_is_refused_with_the_part_at_fault(value: object, part: str) -> None:
    with pytest.raises(BadDueRule, match=part):
        from_json(value)


def test_a_rule_without_a_date_to_count_from_says_which_is_missing() -> None:
    with pytest.raises(MissingAnchor, match="the deadline VAT"):
        resolve(DueRule("deadline:VAT"), {}, ENGLAND)


# --- against the slow definition

STEPS = st.one_of(
    st.builds(Shift, st.integers(-60, 60), st.sampled_from([Unit.DAYS, Unit.WORKING_DAYS, Unit.WEEKS])),
    st.builds(Shift, st.integers(-30, 30), st.sampled_from([Unit.MONTHS, Unit.YEARS]), st.booleans()),
    st.builds(Day, st.integers(1, 31), st.booleans()),
    st.builds(MonthEnd),
    st.builds(
        Weekday, st.frozensets(st.integers(0, 6), min_size=1),
        st.sampled_from([w for w in Which if "year" not in w])
    ),
    st.builds(
        lambda when, which: MonthDay(((when.month, when.day),), which),
        st.dates(date(2024, 1, 1), date(2024, 12, 31)), st.sampled_from(Which),
    ),
    st.builds(RollTo, st.sampled_from(Roll)),
)  # fmt: skip
RULES = st.builds(DueRule, st.just("trigger"), st.lists(STEPS, max_size=4).map(tuple), st.sampled_from(Roll))
STARTS = st.dates(date(2000, 1, 1), date(2040, 12, 31))


def last_of_month(when: date) -> bool:
    return (when + ONE).month != when.month


def month_of(start: date, n: int) -> list[date]:
    """Every day of the month n months on, found by walking."""
    now, step, left = start.replace(day=1), ONE if n > 0 else -ONE, abs(n)
    while left:
        if (now + step).month != now.month:
            left -= 1
        now += step
    now = now.replace(day=1)
    found = [now]
    while not last_of_month(found[-1]):
        found.append(found[-1] + ONE)
    return found


def slow(step: Step, start: date, calendar: WorkingCalendar) -> date:
    match step:
        case Shift(n, Unit.DAYS | Unit.WEEKS as unit):
            for _ in range(abs(n) * (7 if unit is Unit.WEEKS else 1)):
                start += ONE if n > 0 else -ONE
            return start
        case Shift(n, Unit.WORKING_DAYS):
            left = abs(n)
            while left:
                start += ONE if n > 0 else -ONE
                left -= calendar.is_working_day(start)
            return start
        case Shift(n, unit, keep):
            candidates = month_of(start, n * (12 if unit is Unit.YEARS else 1))
            if keep and last_of_month(start):
                return candidates[-1]
            return max(d for d in candidates if d.day <= start.day)
        case Day(number, at_most):
            wanted = max(d for d in month_of(start, 0) if d.day <= number)
            return min(start, wanted) if at_most else wanted
        case MonthEnd():
            return month_of(start, 0)[-1]
        case Weekday(names, which):
            return walk(start, which, lambda d: d.weekday() in names)
        case MonthDay(((month, number),), which):

            def matches(d: date) -> bool:
                return d.month == month and (d.day == number or (d.day < number and last_of_month(d)))

            if which in (Which.SAME_YEAR, Which.FOLLOWING_YEAR):
                first = date(start.year + (which is Which.FOLLOWING_YEAR), 1, 1)
                return walk(first, Which.ON_OR_AFTER, matches)
            return walk(start, which, matches)
        case RollTo(Roll.NEXT):
            return walk(start, Which.ON_OR_AFTER, calendar.is_working_day)
        case RollTo(Roll.PREVIOUS):
            return walk(start, Which.ON_OR_BEFORE, calendar.is_working_day)
        case _:
            return start


def walk(start: date, which: Which, matches: object) -> date:
    assert callable(matches)
    step = ONE if which in (Which.ON_OR_AFTER, Which.AFTER) else -ONE
    now = start + step if which in (Which.AFTER, Which.BEFORE) else start
    while not matches(now):
        now += step
    return now


@given(RULES, STARTS, st.sampled_from(["US-DC", "GB-ENG", "DE"]))
def test_every_rule_agrees_with_the_slow_definition(rule: DueRule, start: date, calendar_id: str) -> None:
    calendar = calendar_for(calendar_id)
    expected = start
    for step in (*rule.steps, RollTo(rule.roll)):
        expected = slow(step, expected, calendar)
    assert due(rule, start, calendar) == expected


@given(RULES)
def test_a_rule_kept_as_json_is_read_back_as_it_was_and_can_be_described(rule: DueRule) -> None:
    assert from_json(to_json(rule)) == rule
    assert describe(rule)


@given(st.integers(-400, 400).filter(bool), STARTS)
def test_counting_day_zero_is_the_same_period_one_day_shorter(n: int, start: date) -> None:
    counted = due(DueRule("trigger", (days(n),), day_zero_counts=True), start)
    assert abs((counted - start).days) == abs(n) - 1
