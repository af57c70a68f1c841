"""How old money is: the one definition, by the exact day, for every screen, sum and paper."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from app.ledger.models import Account


@dataclass(frozen=True)
class Age:
    """A column of an ageing: days of age from `first` to `last`, both included; None has no end.

    `mark` names its colour.
    """

    name: str
    label: str
    mark: str
    first: int | None
    last: int | None

    def days(self, on: dt.date) -> tuple[dt.date | None, dt.date | None]:
        """The first and last day of origin that this column has on a day."""
        start = None if self.last is None else on - dt.timedelta(days=self.last)
        end = None if self.first is None else on - dt.timedelta(days=self.first)
        return start, end


NOT_DUE = Age("Not yet due", "Not yet due", "not-due", None, -1)
AGES = (
    Age("0-30", "0–30 days", "age-0", 0, 30),
    Age("31-60", "31–60 days", "age-1", 31, 60),
    Age("61-90", "61–90 days", "age-2", 61, 90),
    Age("91-120", "91–120 days", "age-3", 91, 120),
    Age("121+", "121+ days", "age-4", 121, None),
)
OWED_AGES = (NOT_DUE, *AGES)
OLDEST_TOLD_APART = 120
TOLD_APART = dt.timedelta(days=150)  # what is older may be gathered into one sum; a month more than any page asks for


def ages_of(account: Account) -> tuple[Age, ...]:
    """The columns of an account: what is owed may be not yet due, work is never too young."""
    return OWED_AGES if account is Account.RECEIVABLE else AGES


def age_in_days(aged_on: dt.date, on: dt.date) -> int:
    """Days from the day of work or the day due to `on`; below zero it is not due yet."""
    return (on - aged_on).days


def age_index(account: Account, aged_on: dt.date, on: dt.date) -> int:
    """Which column of the account's ages an amount stands in."""
    age, ages = age_in_days(aged_on, on), ages_of(account)
    if ages[0].first == 0:
        age = max(age, 0)
    return next(i for i, each in enumerate(ages) if each.last is None or age <= each.last)


def oldest_told_apart(on: dt.date) -> dt.date:
    """What originates before this day is all in the last column."""
    return on - dt.timedelta(days=OLDEST_TOLD_APART)


def month_of(day: dt.date) -> dt.date:
    return day.replace(day=1)
