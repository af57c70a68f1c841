"""From recorded to charged time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.rounding import INCREMENTS, BadRounding, Piece, RoundingRule, RoundMode, RoundPer, charge_as_one

RULES = st.builds(
    RoundingRule,
    st.sampled_from(INCREMENTS),
    st.sampled_from(RoundMode),
    st.integers(0, 480),
    st.sampled_from(RoundPer),
)
SECONDS = st.integers(0, 100_000)


@pytest.mark.parametrize(
    ("rule", "recorded", "charged"),
    [
        (RoundingRule(6, RoundMode.UP), 1, 360), (RoundingRule(6, RoundMode.UP), 360, 360),
        (RoundingRule(6, RoundMode.UP), 361, 720), (RoundingRule(15, RoundMode.NEAREST), 449, 0),
        (RoundingRule(15, RoundMode.NEAREST), 450, 900), (RoundingRule(10, RoundMode.DOWN), 1199, 600),
        (RoundingRule(6, RoundMode.NONE), 361, 361), (RoundingRule(6, RoundMode.UP, 12), 60, 720),
        (RoundingRule(6, RoundMode.UP, 12), 0, 0), (RoundingRule(5, RoundMode.DOWN, 10), 30, 600),
    ],
)  # fmt: skip
def test_time_is_rounded_as_the_rule_says(rule: RoundingRule, recorded: int, charged: int) -> None:
    assert rule.charge(recorded) == charged


@given(RULES, SECONDS)
def test_charged_time_is_the_multiple_that_the_direction_names(rule: RoundingRule, seconds: int) -> None:
    """Against a slow definition: look among all multiples for the right one."""
    multiples = range(0, seconds + 2 * rule.increment * 60, rule.increment * 60)
    match rule.mode:
        case RoundMode.NONE:
            expected = seconds
        case RoundMode.UP:
            expected = min(m for m in multiples if m >= seconds)
        case RoundMode.DOWN:
            expected = max(m for m in multiples if m <= seconds)
        case RoundMode.NEAREST:
            expected = min(multiples, key=lambda m: (abs(m - seconds), -m))
    assert rule.charge(seconds) == (max(expected, rule.minimum * 60) if seconds else 0)


@given(RULES, st.lists(st.tuples(SECONDS, SECONDS), max_size=8), st.integers(0, 7))
def test_entries_of_a_day_rounded_as_one_add_up_to_their_rounded_sum(
    rule: RoundingRule, entries: list[tuple[int, int]], first: int
) -> None:
    pieces = [Piece(recorded, charged) for recorded, charged in entries]
    order = [first] if first < len(pieces) else []
    charged = charge_as_one(rule, pieces, order)
    assert sum(charged) == rule.charge(sum(recorded for recorded, _ in entries))
    assert all(share >= 0 for share in charged)
    assert charge_as_one(rule, [Piece(p.recorded, share) for p, share in zip(pieces, charged, strict=True)]) == charged


def test_what_stays_stays_and_the_difference_lies_on_the_rest() -> None:
    rule = RoundingRule(15, RoundMode.UP, per=RoundPer.DAY_AND_JOB)
    assert charge_as_one(rule, [Piece(600, 900, stays=True), Piece(900, 0)]) == [900, 900]
    assert charge_as_one(rule, [Piece(60, 1800, stays=True), Piece(60, 900)]) == [1800, 0]
    assert charge_as_one(rule, [Piece(600, 0), Piece(900, 0)], order=[1]) == [0, 1800]


@given(RULES)
def test_a_rule_kept_on_an_entry_is_read_back_as_it_was(rule: RoundingRule) -> None:
    assert RoundingRule.from_json(rule.to_json()) == rule


@pytest.mark.parametrize(
    "value",
    [None, [], {"increment": 7}, {"increment": "6"}, {"increment": True}, {"mode": "sideways"},
     {"minimum": -1},
     {"minimum": 1e9}, {"colour": "red"}, {"per": None}],
)  # fmt: skip
def test_an_unusable_rule_is_refused(value: object) -> None:
    with pytest.raises(BadRounding):
        RoundingRule.from_json(value)


def test_a_rule_says_what_it_does() -> None:
    assert RoundingRule(6, RoundMode.UP, 12).describe() == "up to 6 minutes, at least 12 minutes"
    assert RoundingRule(1, RoundMode.NEAREST).describe() == "to the nearest 1 minute"
    assert RoundingRule(mode=RoundMode.NONE, per=RoundPer.DAY_AND_JOB).describe() == "as recorded, per day and job"
