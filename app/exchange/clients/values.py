"""A client's columns as JSON keeps them and as a list writes them, and back. Nothing here reads the database."""

from __future__ import annotations

import datetime as dt
import enum
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from babel import Locale

from app.clients.commands.clients import MONTH_DAYS
from app.clients.models import ClientKind, ClientStatus, PayrollFrequency
from app.core.days import readings_of
from app.core.errors import Refused
from app.core.wording import FALLBACK

_TYPES: Mapping[str, Callable[[Any], Any]] = {
    "kind": ClientKind, "status": ClientStatus, "payroll_frequency": PayrollFrequency,
    "first_pay_day": dt.date.fromisoformat, "office_id": UUID, "partner_id": UUID, "manager_id": UUID,
}
# Columns that only make sense together: what is ours of one keeps both.
TOGETHER = (("year_end_month", "year_end_day"), ("payroll_frequency", "first_pay_day"))
_FORMS = Locale("en").months["format"]
_MONTHS = {
    name.casefold(): number for width in ("wide", "abbreviated") for number, name in _FORMS[width].items()
} | {"sept": 9}
STAGGERS = {1: "Mar, Jun, Sep, Dec", 2: "Jan, Apr, Jul, Oct", 3: "Feb, May, Aug, Nov"}
PAYROLLS = {
    PayrollFrequency.WEEKLY: ("weekly", "each week", "every week"),
    PayrollFrequency.FORTNIGHTLY: ("fortnightly", "every two weeks", "biweekly", "bi weekly", "two weekly"),
    PayrollFrequency.FOUR_WEEKLY: ("four weekly", "every four weeks", "4 weekly"),
    PayrollFrequency.MONTHLY: ("monthly", "each month", "every month"),
}
# What a column is called where a change of it is told.
LABELS = {
    "name": "Name", "kind": "Kind", "status": "Status", "legal_name": "Legal name", "tax_number": "Tax number",
    "registration_number": "Company number", "email": "E-mail", "phone": "Telephone", "website": "Website",
    "address": "Address", "country": "Country", "region": "State or region", "currency": "Currency",
    "year_end_month": "Year end, month", "year_end_day": "Year end, day", "vat_stagger": "Tax quarters end in",
    "payroll_frequency": "Pays its staff", "first_pay_day": "First pay day", "partner_id": "Partner",
    "manager_id": "Manager", "office_id": "Office", "tags": "Tags", "terms_days": "Payment terms, days",
    "notes": "Notes", "archived": "Archived",
}
YES, NO = ("yes", "y", "true", "1", "x", "archived"), ("", "no", "n", "false", "0")


def plain(value: Any) -> Any:
    """A column as JSON keeps it."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, UUID):
        return str(value)
    return value.isoformat() if isinstance(value, dt.date) else value


def typed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Columns by name, from JSON."""
    return {name: _TYPES[name](value) if value and name in _TYPES else value for name, value in values.items()}


@dataclass(frozen=True)
class Someone:
    """A person of the firm, as a cell may name them."""

    id: UUID
    name: str
    email: str
    works_here: bool
    kept_from: frozenset[UUID] = frozenset()


@dataclass(frozen=True)
class Names:
    """Whom and which office a cell can mean."""

    people: Sequence[Someone] = ()
    offices: Sequence[tuple[UUID, str]] = ()
    _said: dict[UUID, str] = field(default_factory=dict)

    def person(self, text: str, client_id: UUID | None = None) -> UUID:
        wanted = " ".join(text.casefold().split())
        found = [each for each in self.people if wanted in (each.name.casefold(), each.email.casefold())]
        here = [each for each in found if each.works_here]
        if len(here) > 1:
            raise Refused(f"{len(here)} people here are called {text[:60]}. Write the e-mail address of the one meant.")
        if not here:
            why = f"{found[0].name} does not work here any more." if found else f"Nobody here is called {text[:60]}."
            raise Refused(why)
        if client_id in here[0].kept_from:
            raise Refused(f"{here[0].name} cannot be given this client.")
        return here[0].id

    def office(self, text: str) -> UUID:
        wanted = " ".join(text.casefold().split())
        found = [each for each, name in self.offices if name.casefold() == wanted]
        if len(found) != 1:
            raise Refused(f"There is no office called {text[:60]}. There are: "
                          f"{', '.join(name for _, name in self.offices)}.")
        return found[0]

    def of(self, row_id: UUID | None) -> str:
        """The name of a person or an office."""
        if not self._said:
            self._said.update({each.id: each.name for each in self.people} | dict(self.offices))
        return self._said.get(row_id, "") if row_id else ""


NOBODY = Names()


def _days_of_year(text: str) -> set[tuple[int, int]]:
    """(month, day) in each way in which a text can be read, with a year or without."""
    parts = [part for part in re.split(r"[\s./,-]+", text.casefold()) if part]
    year = next((int(part) for part in parts if re.fullmatch(r"\d{4}", part)), None)
    rest = [part for part in parts if not re.fullmatch(r"\d{4}", part)]
    named = [_MONTHS[part] for part in rest if part in _MONTHS]
    days = [int(day[1]) for part in rest if (day := re.fullmatch(r"(\d{1,2})(?:st|nd|rd|th)?", part))]
    if len(rest) != 2 or len(named) + len(days) != 2 or not days:
        return set()
    if named:
        pairs = [(named[0], days[0])]
    elif parts[0] == str(year):
        pairs = [(days[0], days[1])]
    else:
        pairs = [(days[0], days[1]), (days[1], days[0])]
    return {(month, day) for month, day in pairs if 1 <= month <= 12 and 1 <= day <= MONTH_DAYS[month - 1]}


def read_year_end(text: str, present: tuple[int | None, int | None] = (None, None)) -> tuple[int, int]:
    """Month and day. Of two readings that are both a day, the one that stands here already is meant."""
    found: set[Any] = _days_of_year(text)
    if present in found:
        found = {present}
    if len(found) == 1:
        month, day = found.pop()
        return month, day
    if found:
        raise Refused(f"“{text[:40]}” can be read in two ways. Write the month as a word, such as 31 March.")
    raise Refused(f"“{text[:40]}” is no day of a year. Write it like 31 March.")


def write_year_end(month: int | None, day: int | None) -> str:
    return f"{day} {_FORMS['wide'][month]}" if month and day else ""


def read_day(text: str, present: dt.date | None = None) -> dt.date:
    """A day as it is typed elsewhere. Of two readings, the one that stands here already is meant."""
    found = [day for day in readings_of(text, FALLBACK) if 1990 <= day.year <= 2100]
    if present is not None and present in found:
        return present
    if len(found) == 1:
        return found[0]
    if found:
        raise Refused(f"“{text[:40]}” can be read as {' or as '.join(each.isoformat() for each in sorted(found))}. "
                      "Write it in one of these ways.")
    raise Refused(f"“{text[:40]}” is no day between 1990 and 2100. Write it like 2026-01-31.")


def read_stagger(text: str) -> int:
    digits = re.findall(r"\d+", text)
    months = [_MONTHS[word] for word in re.split(r"\W+", text.casefold()) if word in _MONTHS]
    staggers: set[int] = {(month - 3) % 3 + 1 for month in months} or {int(digit) for digit in digits}
    if len(staggers) == 1 and staggers <= set(STAGGERS):
        return staggers.pop()
    raise Refused(f"“{text[:40]}” is no stagger of VAT quarters: {'; '.join(STAGGERS.values())}.")


def read_payroll(text: str) -> PayrollFrequency:
    wanted = " ".join(re.split(r"[\W_]+", text.casefold())).strip()
    found = next((each for each, words in PAYROLLS.items() if wanted in words), None)
    if found is None:
        raise Refused(f"“{text[:40]}” does not say how often staff are paid: "
                      f"{', '.join(words[0] for words in PAYROLLS.values())}.")
    return found


def read_status(text: str) -> ClientStatus:
    try:
        return ClientStatus(text.casefold())
    except ValueError:
        raise Refused(f"“{text[:40]}” is no status of a client: {', '.join(ClientStatus)}.") from None


def read_archived(text: str) -> bool:
    word = text.casefold()
    if word not in (*YES, *NO):
        raise Refused(f"“{text[:40]}” does not say whether the client is archived. Write yes, or leave the cell empty.")
    return word in YES


def shown(name: str, value: Any, names: Names = NOBODY) -> str:
    """A column's value as one reads it."""
    value = plain(value)
    if value in (None, "", []):
        return ""
    if name in ("partner_id", "manager_id", "office_id"):
        return names.of(UUID(value))
    if name == "vat_stagger":
        return STAGGERS[value]
    if name == "payroll_frequency":
        return PAYROLLS[PayrollFrequency(value)][0]
    return ", ".join(value) if isinstance(value, list) else str(value)


def same_groups(changes: dict[str, Any], values: Mapping[str, Any], present: Mapping[str, Any]) -> dict[str, Any]:
    """Changes without half a pair: where one of it stays ours, so does the other."""
    for pair in TOGETHER:
        if any(name in values and name not in changes and values[name] != present[name] for name in pair):
            for name in pair:
                changes.pop(name, None)
    return changes
