"""From seconds recorded to seconds charged: increments, direction, minimum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

INCREMENTS = (1, 5, 6, 10, 15)


class RoundMode(StrEnum):
    NONE = "none"
    UP = "up"
    NEAREST = "nearest"
    DOWN = "down"


class RoundPer(StrEnum):
    ENTRY = "entry"
    DAY_AND_JOB = "day_and_job"


class BadRounding(ValueError):
    """The rule cannot be used; the message says why."""


@dataclass(frozen=True)
class RoundingRule:
    """Increment and minimum are minutes. Kept on each entry, so that a later change leaves it alone."""

    increment: int = 6
    mode: RoundMode = RoundMode.UP
    minimum: int = 0
    per: RoundPer = RoundPer.ENTRY

    def __post_init__(self) -> None:
        if self.increment not in INCREMENTS:
            raise BadRounding(f"Time is rounded to {_either(INCREMENTS)} minutes, not to {self.increment}.")
        if not 0 <= self.minimum <= 480:
            raise BadRounding("The least that is charged must lie between 0 and 480 minutes.")

    def charge(self, seconds: int) -> int:
        """Seconds charged for this many recorded. Nothing recorded is nothing charged; a half goes up."""
        if seconds < 0:
            raise BadRounding("A time entry cannot be negative.")
        if seconds == 0:
            return 0
        step = self.increment * 60
        whole, rest = divmod(seconds, step)
        match self.mode:
            case RoundMode.NONE:
                charged = seconds
            case RoundMode.UP:
                charged = (whole + (rest > 0)) * step
            case RoundMode.NEAREST:
                charged = (whole + (2 * rest >= step)) * step
            case RoundMode.DOWN:
                charged = whole * step
        return max(charged, self.minimum * 60)

    def describe(self) -> str:
        if self.mode is RoundMode.NONE:
            words = "as recorded"
        else:
            way = {"up": "up to", "nearest": "to the nearest", "down": "down to"}[self.mode]
            words = f"{way} {self.increment} {'minute' if self.increment == 1 else 'minutes'}"
        if self.minimum:
            words += f", at least {self.minimum} minutes"
        return words + (", per day and job" if self.per is RoundPer.DAY_AND_JOB else "")

    def to_json(self) -> dict[str, int | str]:
        return {
            "increment": self.increment,
            "mode": self.mode.value,
            "minimum": self.minimum,
            "per": self.per.value,
        }

    @classmethod
    def from_json(cls, value: object) -> Self:
        if not isinstance(value, dict):
            raise BadRounding("A rounding rule must be an object.")
        unknown = set(value) - {"increment", "mode", "minimum", "per"}
        if unknown:
            raise BadRounding(f"A rounding rule has no {', '.join(sorted(map(str, unknown)))}.")
        increment, minimum = value.get("increment", 6), value.get("minimum", 0)
        if type(increment) is not int or type(minimum) is not int:
            raise BadRounding("Increment and minimum must be whole minutes.")
        try:
            mode, per = RoundMode(value.get("mode", "up")), RoundPer(value.get("per", "entry"))
        except ValueError as error:
            raise BadRounding(f"A rounding rule cannot have {error}.") from None
        return cls(increment, mode, minimum, per)


@dataclass(frozen=True)
class Piece:
    """An entry of a day that is rounded as one. Seconds; `stays` when what is charged of it changes no more."""

    recorded: int
    charged: int
    stays: bool = False


def charge_as_one(rule: RoundingRule, pieces: Sequence[Piece], order: Sequence[int] = ()) -> list[int]:
    """Seconds charged of each piece, so that together they are the rounded sum of what is recorded.

    What is missing or too much falls on the pieces that do not stay, in `order`, then as they come. Where those that
    stay are charged more than the whole, the others are charged nothing.
    """
    charged = [piece.charged for piece in pieces]
    left = rule.charge(sum(piece.recorded for piece in pieces)) - sum(charged)
    for i in dict.fromkeys((*order, *range(len(pieces)))):
        if left and not pieces[i].stays:
            change = max(left, -charged[i])
            charged[i] += change
            left -= change
    return charged


def _either(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers[:-1])) + f" or {numbers[-1]}"
