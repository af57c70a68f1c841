"""Due rules as JSON, read strictly: whatever is unknown or of the wrong type is named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

from app.catalogue.due_rules import DueRule
from app.catalogue.due_steps import (
    WEEKDAYS,
    BadDueRule,
    Day,
    MonthDay,
    MonthEnd,
    Roll,
    RollTo,
    Shift,
    Step,
    Unit,
    Weekday,
    Which,
    parse_month_day,
    weekday_number,
)

JsonObject = dict[str, Any]
E = TypeVar("E", bound=StrEnum)
_KEYS = {
    "shift": {"n", "unit", "keep_month_end"},
    "day": {"day", "at_most"},
    "month_end": set[str](),
    "weekday": {"weekdays", "which"},
    "month_day": {"dates", "which"},
    "roll": {"to"},
}


def to_json(rule: DueRule) -> JsonObject:
    return {
        "anchor": rule.anchor,
        "steps": [_step_to_json(step) for step in rule.steps],
        "roll": rule.roll.value,
        "day_zero_counts": rule.day_zero_counts,
    }


def from_json(value: object) -> DueRule:
    """Raises BadDueRule with a sentence that names the part at fault."""
    rule = _object(value, "A due rule", {"anchor", "steps", "roll", "day_zero_counts"})
    anchor, steps = rule.get("anchor"), rule.get("steps", [])
    if not isinstance(anchor, str):
        raise BadDueRule("A due rule needs an anchor: the date that it counts from.")
    if not isinstance(steps, list):
        raise BadDueRule("The steps of a due rule must be a list.")
    return DueRule(
        anchor,
        tuple(_step_from_json(step, position) for position, step in enumerate(steps, start=1)),
        _choice(Roll, rule.get("roll", "none"), "roll"),
        _yes_no(rule, "day_zero_counts"),
    )


def _step_to_json(step: Step) -> JsonObject:
    match step:
        case Shift():
            keep = {"keep_month_end": True} if step.keep_month_end else {}
            return {"do": "shift", "n": step.n, "unit": step.unit.value, **keep}
        case Day():
            return {"do": "day", "day": step.day, **({"at_most": True} if step.at_most else {})}
        case MonthEnd():
            return {"do": "month_end"}
        case Weekday():
            return {
                "do": "weekday",
                "weekdays": [WEEKDAYS[n] for n in sorted(step.weekdays)],
                "which": step.which.value,
            }
        case MonthDay():
            dates = [f"{month:02}-{number:02}" for month, number in step.dates]
            return {"do": "month_day", "dates": dates, "which": step.which.value}
        case RollTo():
            return {"do": "roll", "to": step.roll.value}
    raise BadDueRule(f"{type(step).__name__} is not a step that can be kept.")


def _step_from_json(value: object, position: int) -> Step:
    where = f"Step {position} of the due rule"
    kind = value.get("do") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in _KEYS:
        raise BadDueRule(f"{where} must say what to do: {', '.join(_KEYS)}.")
    step = _object(value, where, {"do", *_KEYS[kind]})
    try:
        return _BUILDERS[kind](step)
    except BadDueRule as error:
        raise BadDueRule(f"{where}: {error}") from None


def _shift(step: Mapping[str, Any]) -> Step:
    return Shift(_whole(step, "n"), _choice(Unit, step.get("unit"), "unit"), _yes_no(step, "keep_month_end"))


def _weekday(step: Mapping[str, Any]) -> Step:
    return Weekday(frozenset(map(weekday_number, _list(step, "weekdays"))), _which(step))


def _month_day(step: Mapping[str, Any]) -> Step:
    return MonthDay(tuple(map(parse_month_day, _list(step, "dates"))), _which(step))


_BUILDERS: dict[str, Callable[[Mapping[str, Any]], Step]] = {
    "shift": _shift,
    "day": lambda step: Day(_whole(step, "day"), _yes_no(step, "at_most")),
    "month_end": lambda step: MonthEnd(),
    "weekday": _weekday,
    "month_day": _month_day,
    "roll": lambda step: RollTo(_choice(Roll, step.get("to"), "to")),
}


def _object(value: object, what: str, allowed: set[str]) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise BadDueRule(f"{what} must be an object.")
    unknown = [str(key)[:40] for key in value if key not in allowed]
    if unknown:
        raise BadDueRule(f"{what} has no “{unknown[0]}”; it knows {', '.join(sorted(allowed))}.")
    return value


def _which(step: Mapping[str, Any]) -> Which:
    return _choice(Which, step.get("which", "on_or_after"), "which")


def _choice(kind: type[E], value: object, name: str) -> E:
    if isinstance(value, str) and value in set(kind):
        return kind(value)
    raise BadDueRule(f"“{name}” must be one of {', '.join(kind)}.")


def _whole(step: Mapping[str, Any], name: str) -> int:
    value = step.get(name)
    if type(value) is not int:
        raise BadDueRule(f"“{name}” must be a whole number.")
    return value


def _yes_no(step: Mapping[str, Any], name: str) -> bool:
    value = step.get(name, False)
    if type(value) is not bool:
        raise BadDueRule(f"“{name}” must be true or false.")
    return value


def _list(step: Mapping[str, Any], name: str) -> list[object]:
    value = step.get(name)
    if not isinstance(value, list) or not 1 <= len(value) <= 31:
        raise BadDueRule(f"“{name}” must be a list.")
    return value
