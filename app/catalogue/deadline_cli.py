"""`firmament deadline RULE --trigger DATE`: the date on the first line, then why."""

from __future__ import annotations

import json
import re
from datetime import date

import click

from app.catalogue.statutory import DeadlineResult, compute, family_names, list_rules

_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


class IsoDate(click.ParamType[date]):
    name = "date"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        text = str(value).strip()
        try:
            if not _ISO_DATE.fullmatch(text):
                raise ValueError
            return date.fromisoformat(text)
        except ValueError:
            self.fail(f"“{text[:40]}” is not a date; write it as year-month-day, such as 2026-03-31.", param, ctx)


@click.command("deadline")
@click.argument("rule", required=False)
@click.option("--trigger", type=IsoDate(), help="The date that the rule counts from, as 2025-12-31.")
@click.option(
    "--calendar", "calendar_ids", multiple=True,
    help="A holiday calendar to add to the rule's own, such as US-MA or DE-BY; may be given several times.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--list",
    "show_list",
    is_flag=True,
    help="List the rules, those with RULE in code or title if it is given.",
)
def deadline_command(
    rule: str | None, trigger: date | None, calendar_ids: tuple[str, ...], as_json: bool, show_list: bool
) -> None:
    """Compute a statutory or court deadline."""
    if show_list:
        click.echo(_list_json(rule) if as_json else _list_text(rule))
        return
    if rule is None:
        raise click.UsageError("Name a rule, or use --list to see them all.")
    if trigger is None:
        raise click.UsageError("Give the date that the rule counts from: --trigger 2025-12-31")
    try:
        result = compute(rule, trigger, calendar_ids=calendar_ids)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    click.echo(_as_json(result) if as_json else _as_text(result))


def _as_text(result: DeadlineResult) -> str:
    moved = [f"moved: {result.why_moved}"] if result.why_moved else []
    return "\n".join(
        [
            result.due.isoformat(),
            f"rule: {result.rule}, {result.title}",
            f"basis: {result.rule_words[0].upper()}{result.rule_words[1:]}",
            f"from: {result.trigger.isoformat()} ({result.trigger_words})",
            *moved,
            f"calendar: {result.calendar}",
            f"source: {result.source}",
        ]
    )


def _as_json(result: DeadlineResult) -> str:
    return json.dumps(
        {
            "rule": result.rule,
            "title": result.title,
            "trigger": result.trigger.isoformat(),
            "date": result.due.isoformat(),
            "unrolled": result.unrolled.isoformat(),
            "rule_words": result.rule_words,
            "basis": result.basis,
            "source": result.source,
            "calendar": result.calendar,
            "why_moved": result.why_moved,
        },
        ensure_ascii=False,
    )


def _list_rows(wanted: str | None) -> list[tuple[str, str, str, str]]:
    names = family_names()
    rows = [(names.get(rule.code, rule.code), rule.calendar, rule.title, rule.trigger) for rule in list_rules()]
    part = (wanted or "").strip().lower()
    return [row for row in rows if part in row[0].lower() or part in row[2].lower()]


def _list_text(wanted: str | None) -> str:
    return "\n".join(
        f"{code:<24} {calendar:<7} {title} (from {trigger})" for code, calendar, title, trigger in _list_rows(wanted)
    )


def _list_json(wanted: str | None) -> str:
    rows = [
        {"rule": code, "calendar": calendar, "title": title, "trigger": trigger}
        for code, calendar, title, trigger in _list_rows(wanted)
    ]
    return json.dumps(rows, ensure_ascii=False)
