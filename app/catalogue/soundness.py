"""What stands in the way of publishing a template: cycles, rules without a date, fields that no title has."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from string import Formatter

from app.catalogue.blueprints import Blueprint, dates_of
from app.catalogue.due_rules import BadDueRule, DueRuleCycle, anchor_words, order_rules
from app.catalogue.graph import Edge, describe_cycle, find_cycle
from app.catalogue.statutory import UnknownRule
from app.firm.calendars import calendar_for

ITEM_KINDS = {
    "upload": "File upload", "text": "Short text", "long_text": "Long text", "choice": "One of several",
    "choices": "Several of several", "yes_no": "Yes or no", "date": "Date", "number": "Number", "amount": "Amount",
    "confirmation": "Confirmation",
}
WITH_OPTIONS = ("choice", "choices")
TITLE_FIELDS = ("client", "service", "period", "year", "month", "quarter", "start", "end")
LONGEST_TITLE = 200


def title_fault(pattern: str) -> str | None:
    """A sentence when the pattern names a field that no title has, else None."""
    if not pattern.strip():
        return "Give the jobs a title, such as {client} {service} {period}."
    if len(pattern) > LONGEST_TITLE:
        return f"A title has at most {LONGEST_TITLE} characters."
    try:
        parsed = list(Formatter().parse(pattern))
    except ValueError:
        return "A brace in the title has no partner; for a brace itself write it twice."
    for _text, name, spec, conversion in parsed:
        if name is not None and (name not in TITLE_FIELDS or spec or conversion):
            known = ", ".join(f"{{{field}}}" for field in TITLE_FIELDS)
            return f"A title has no field {{{name[:40]}}}; it knows {known}."
    return None


def faults(blueprint: Blueprint, stage_ids: set[object]) -> Iterator[str]:
    """Every reason why this version cannot be published yet, one sentence each."""
    names = {step.key: step.name for step in blueprint.steps}
    if not blueprint.steps:
        yield "Add at least one step."
    fault = title_fault(blueprint.title_pattern)
    if fault:
        yield fault
    for step in blueprint.steps:
        if step.stage_id not in stage_ids:
            yield f"“{step.name}” stands in a stage that is gone. Choose another one."
    cycle = find_cycle(Edge(d.on_key, d.step_key) for d in blueprint.dependencies)
    if cycle:
        yield f"These steps wait for each other: {describe_cycle(cycle, names)}."
    for request in blueprint.requests:
        if request.row.step_key and request.row.step_key not in names:
            yield f"The request “{request.row.name}” belongs to a step that is gone."
        if not request.row.items:
            yield f"The request “{request.row.name}” asks for nothing yet. Add an item."
    yield from _date_faults(blueprint, names)


def _date_faults(blueprint: Blueprint, names: Mapping[str, str]) -> Iterator[str]:
    try:
        order_rules(blueprint.step_rules)
    except DueRuleCycle as loop:
        yield f"These steps take their due dates from each other: {describe_cycle(loop.path, names)}."
        return
    try:
        dates = dates_of(blueprint, sample_anchors(dt.date(2027, 3, 31)), calendar_for("NONE"))
    except (BadDueRule, UnknownRule) as error:
        yield str(error)
        return
    for what, anchor in dates.missing.items():
        if anchor.startswith("named:"):
            continue  # each job fills it in: the hearing, the signing
        yield f"There is no date for {_who(what, names)}: it counts from {_whose(anchor, names)}, which has none."


def _who(what: str, names: Mapping[str, str]) -> str:
    kind, _, name = what.partition(":")
    if kind == "job_due":
        return "the job"
    return f"“{names.get(name, name)}”" if kind == "step" else f"the {kind} “{name}”"


def _whose(anchor: str, names: Mapping[str, str]) -> str:
    kind, _, name = anchor.partition(":")
    return f"“{names[name]}”" if kind == "step" and name in names else anchor_words(anchor)


def sample_anchors(period_end: dt.date, starts_on: dt.date | None = None) -> dict[str, dt.date]:
    """The dates that a job with a period ending on this day begins with; the period is taken as one month."""
    first = period_end.replace(day=1)
    return {
        "period_start": first, "period_end": period_end, "job_start": starts_on or period_end + dt.timedelta(days=1)
    }
