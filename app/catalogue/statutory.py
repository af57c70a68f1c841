"""Statutory and court deadlines by name: find the rule, compute the date, say why it is that date."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from functools import lru_cache

from app.catalogue.due_rule_words import describe
from app.catalogue.due_rules import explain
from app.catalogue.statutes import (
    france,
    germany,
    ireland,
    uk_company,
    uk_courts,
    uk_personal,
    us_courts,
    us_payroll,
    us_tax,
)
from app.catalogue.statutes.shape import Family, StatutoryRule
from app.firm.calendars import WorkingCalendar, calendar_for

_TABLES = (us_tax, us_payroll, us_courts, uk_company, uk_personal, uk_courts, germany, france, ireland)
_RULES: tuple[StatutoryRule, ...] = tuple(rule for table in _TABLES for rule in table.RULES)
_FAMILIES: tuple[Family, ...] = us_courts.FAMILIES + uk_courts.FAMILIES + france.FAMILIES
_YEAR = re.compile(r"(?:FY|TY)?(?:19|20)\d\d")
_MONTH_DAY = re.compile(r"(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_QUARTER = re.compile(r"Q[1-4]")
_NUMBER = re.compile(r"\d{1,2}")


class UnknownRule(ValueError):
    """No such rule; `matches` are the names that come nearest."""

    def __init__(self, name: str, matches: list[str]) -> None:
        nearest = f" The nearest are {', '.join(matches)}." if matches else ""
        super().__init__(
            f"There is no deadline rule “{name[:60]}”.{nearest} The list of all: firmament deadline --list"
        )
        self.matches = matches


@dataclass(frozen=True)
class DeadlineResult:
    """A computed deadline and everything needed to check it by hand."""

    rule: str
    edition: str
    title: str
    trigger: date
    trigger_words: str
    due: date
    unrolled: date
    basis: str
    source: str
    rule_words: str
    calendar: str
    why_moved: str
    trail: tuple[tuple[str, date], ...]


# Where a state's own holiday moves a federal tax date for its residents: Patriots' Day in Massachusetts and Maine
# (IRC 7503 with Rev. Rul. 2015-13; IRS Publication 509). No other state's holidays do so by residence.
_STATE_CALENDARS = {("US-DC", "US-MA"), ("US-DC", "US-ME")}


def calendars_for(rule: StatutoryRule, region: str) -> tuple[str, ...]:
    """The calendars to add to a rule's own for a client of a region (ISO 3166-2, such as US-MA)."""
    return (region,) if (rule.calendar, region) in _STATE_CALENDARS else ()


def compute(
    rule_name: str, trigger: date, *, calendar_ids: Sequence[str] = (), region: str = "", edition: str = ""
) -> DeadlineResult:
    """The deadline; days off of `calendar_ids` count beside those of the rule's own calendar, never in their place.

    `edition` is that of the rule which counts, else the newest. `region` is the client's (ISO 3166-2): where the law
    lets its holidays count, they do.
    Raises UnknownRule, UnknownCalendar, or BadDueRule for a date beyond the calendar."""
    rule = find_rule(rule_name).in_edition(edition)
    due_rule, source = rule.for_trigger(trigger)
    calendar = calendar_for("+".join((rule.calendar, *calendars_for(rule, region), *calendar_ids)))
    resolved = explain(due_rule, {"trigger": trigger}, calendar)
    words = describe(due_rule)
    moved = "" if resolved.due == resolved.unrolled else _why_moved(resolved.unrolled, calendar)
    return DeadlineResult(
        rule=rule.code,
        edition=rule.edition,
        title=rule.title,
        trigger=trigger,
        trigger_words=rule.trigger,
        due=resolved.due,
        unrolled=resolved.unrolled,
        basis=" ".join(filter(None, (f"{words[0].upper()}{words[1:]}.", rule.note, moved))),
        source=source,
        rule_words=words,
        calendar=calendar.id,
        why_moved=moved,
        trail=resolved.trail,
    )


def list_rules() -> tuple[StatutoryRule, ...]:
    """Every rule, each family shown by one example, by code."""
    examples = tuple(find_rule(family.example) for family in _FAMILIES)
    return tuple(sorted(_RULES + examples, key=lambda rule: rule.code))


def family_names() -> dict[str, str]:
    """How a family's names are formed, by the code of its example."""
    return {find_rule(family.example).code: family.shown for family in _FAMILIES}


def find_rule(name: str) -> StatutoryRule:
    """By code or alias; capitals, dashes and the instance (2025, 1231, Q3) do not matter."""
    for candidate in _candidates(name):
        found = _by_key().get(_key(candidate)) or _from_family(candidate)
        if found:
            return found
    raise UnknownRule(name.strip(), _nearest(name))


def newer_edition(name: str, edition: str) -> StatutoryRule | None:
    """The rule, where there is a newer edition of it than this one; a rule that is in no table has none."""
    try:
        rule = find_rule(name)
    except UnknownRule:
        return None
    return rule if rule.edition != edition else None


def count_newer(editions: Iterable[tuple[str, str]]) -> int:
    """Of rules, each with an edition that something counts by: how many have a newer one."""
    return len({rule.code for name, edition in editions if (rule := newer_edition(name, edition))})


def _candidates(name: str) -> Iterator[str]:
    """The name itself, then without the parts that only say which instance is meant."""
    tokens = re.sub(r"[\s_/-]+", "-", name.strip().upper()[:80]).strip("-").split("-")
    yield "-".join(tokens)
    head, tail = tokens[:2], tokens[2:]
    without_year = [
        token
        for position, token in enumerate(tail)
        if not (
            _YEAR.fullmatch(token) or (position and _YEAR.fullmatch(tail[position - 1]) and _NUMBER.fullmatch(token))
        )
    ]
    without_day = [token for token in without_year if not _MONTH_DAY.fullmatch(token)]
    without_quarter = [token for token in without_day if not _QUARTER.fullmatch(token)]
    for rest in (without_year, without_day, without_quarter):
        yield "-".join(head + rest)
    if len(without_quarter) and _NUMBER.fullmatch(without_quarter[-1]) and head[-1] in _NUMBERED:
        yield "-".join(head + without_quarter[:-1])


_NUMBERED = {"SEMIWEEKLY"}


def _key(name: str) -> str:
    return re.sub(r"[^A-Z0-9]", "", name.upper())


@lru_cache(maxsize=1)
def _by_key() -> dict[str, StatutoryRule]:
    return {_key(name): rule for rule in reversed(_RULES) for name in (*rule.aliases, rule.code)}


def _from_family(candidate: str) -> StatutoryRule | None:
    for family in _FAMILIES:
        match = re.fullmatch(family.pattern, candidate)
        if match and 1 <= int(match[1]) <= family.most:
            return family.make(candidate, int(match[1]))
    return None


def _nearest(name: str) -> list[str]:
    wanted = name.strip().upper()[:80]
    codes = [rule.code for rule in _RULES] + [family.example.upper() for family in _FAMILIES]
    close = get_close_matches(wanted, codes, n=5, cutoff=0.6)
    words = {word for word in re.split(r"[^A-Z0-9]+", wanted) if len(word) > 2}
    sharing = [code for code in codes if words & set(code.split("-"))]
    return list(dict.fromkeys(close + sharing))[:5]


def _why_moved(day: date, calendar: WorkingCalendar) -> str:
    reason = calendar.why_closed(day)
    because = calendar.id if reason == f"{day:%A}" else f"{reason}, {calendar.id}"
    return f"{day:%A} {day.day} {day:%B %Y} is not a working day ({because})."
