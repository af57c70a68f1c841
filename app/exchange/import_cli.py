"""`firmament import clients FILE`: the same import as on the screen, for scripts."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa
from babel import Locale, UnknownLocaleError

from app.core import clock
from app.core.actors import SYSTEM
from app.core.db import db
from app.core.errors import FirmamentError, Refused
from app.core.ids import new_id
from app.core.number_format import key_of
from app.exchange.clients.commands import (
    Tally,
    amounts_in,
    digest_of_plan,
    errors_of,
    keep_import,
    plan_import,
    read_import,
    start_import,
    warnings_of,
)
from app.exchange.clients.compare import Action, Planned
from app.exchange.clients.formats import SOURCE_NAMES, Source, checked_mapping
from app.exchange.files import Chosen
from app.exchange.models import ClientImport
from app.firm.models import Firm, Office
from app.runs.commands import work_run
from app.runs.models import ItemState, Run, RunItem, RunState

PATIENCE = 600


class StillRunning(Refused):
    """We wait no longer; what is imported is not known yet."""


def import_clients(
    path: Path, *, dry_run: bool, matches: str, skip_errors: bool, source: str | None, office: str | None,
    columns: tuple[str, ...], portal_access: bool, locale: str | None = None, create_unknown: bool = False,
    sheet: str | None = None, header_line: int | None = None, encoding: str | None = None, jobs: str | None = None,
    because: str = "",
) -> dict[str, Any]:
    """Import a file and wait until it is done. Returns the report that `--json` prints.

    Where recurring work moves with it, nothing is imported until `jobs` says whether jobs to come "move" or are kept.
    """
    zone = db.session.scalar(sa.select(Firm.zone))
    if zone is None:
        raise Refused("There is no firm yet. Set one up first: open the address that `make run` prints.")
    clock.set_zone(zone)
    chosen = Chosen(sheet or "", header_line, encoding or "")
    found = read_import(
        new_id(), path.name, path.read_bytes(), _office(office).id, by=SYSTEM,
        source=Source(source) if source else None, portal_access=portal_access,
        chosen=chosen if chosen != Chosen() else None,
    )
    if columns:
        wanted = dict(pair.split("=", 1) for pair in columns if "=" in pair)
        found.mapping = checked_mapping(found.header, {**found.mapping, **wanted}, Source(found.source))
    if locale:
        found.number_format = _format(locale)
    planned = plan_import(found, seen_by=SYSTEM)
    report = _report(found, planned, dry_run)
    refused = bool(report["refused"]) and not skip_errors
    report["unconfirmed"] = bool(report["moves"]) and jobs is None
    if dry_run or refused or report["unconfirmed"]:
        report["imported"] = False
        return report
    found = keep_import(found, by=SYSTEM)
    unknown = "new" if create_unknown else ""
    run = start_import(
        found, by=SYSTEM, decide=lambda one: matches if one.action is Action.MATCH else unknown,
        skip_errors=skip_errors, foreseen=digest_of_plan(found, planned), redate=jobs != "keep", because=because,
    )
    _wait_for(run)
    return {**report, **_outcome(run, matches), "imported": True}


def _format(locale: str) -> str:
    """How numbers are written in a language and country, `de_AT` or `en-GB`."""
    try:
        return key_of(Locale.parse(locale, sep="-" if "-" in locale else "_"))
    except (UnknownLocaleError, ValueError):
        raise Refused(f"There is no locale {locale}; give one like en_GB or de_DE.") from None


def _office(name: str | None) -> Office:
    offices = db.session.scalars(sa.select(Office).where(Office.archived_at.is_(None)).order_by(Office.id)).all()
    chosen = [office for office in offices if name is None or office.name.casefold() == name.casefold()]
    if not chosen:
        raise Refused(f"There is no office called {name}. There are: {', '.join(o.name for o in offices)}.")
    return chosen[0]


def _report(found: ClientImport, planned: list[Planned], dry_run: bool) -> dict[str, Any]:
    tally, amounts = Tally.of(planned), amounts_in(found)
    read_as = {name: found.reading[name] for name in ("sheet", "encoding", "header_line") if name in found.reading}
    return {
        "source": found.source, "reading": read_as,
        "rows": tally.rows, "created": tally.created, "updated": tally.updated, "unchanged": tally.unchanged,
        "matched": tally.matched, "unknown": tally.unknown,
        "refused": tally.rows_refused,
        "errors": errors_of(planned), "warnings": warnings_of(found, planned), "dry_run": dry_run,
        "clients": len(planned), "linked": 0, "waiting": tally.matched,
        "matches": [
            {"rows": one.prospect.rows, "name": one.prospect.name, "client": one.client.code,
             "client_name": one.client.name}
            for one in planned if one.action is Action.MATCH and one.client
        ],
        "changes": [
            {"line": one.prospect.rows[0], "client": one.client.code if one.client else "", "column": each.head,
             "before": each.before, "after": each.after}
            for one in planned for each in one.changes
        ],
        "moves": [
            {"line": one.prospect.rows[0], "client": one.client.code if one.client else "", "what": effect.words,
             "before": effect.before, "after": effect.after, "job": effect.of_job, "past_deadline": effect.overrun}
            for one in planned for effect in one.effects or ()
        ],
        "opening_balances": {"count": tally.balances, "total": tally.balance_total, "currency": amounts.currency},
        "numbers": {
            "format": amounts.key, "said": amounts.said, "unclear": sorted(amounts.unclear)[:50],
            "columns": list(amounts.columns),
        },
    }


def _wait_for(run: Run) -> None:
    """Work it off here; a worker that runs beside takes its part."""
    until = time.monotonic() + PATIENCE
    work_run(run.id, lambda _: SYSTEM)
    while time.monotonic() < until:
        db.session.rollback()
        state = db.session.scalar(sa.select(Run.state).where(Run.id == run.id))
        if state is not RunState.RUNNING:
            return
        time.sleep(0.2)
        work_run(run.id, lambda _: SYSTEM)
    raise StillRunning("The import is still running; it goes on by itself and is found under Runs.")


def _outcome(run: Run, matches: str) -> dict[str, Any]:
    """What really happened, counted from the run; created, updated and linked are told apart by what each item did."""
    rows = db.session.execute(
        sa.select(RunItem.state, RunItem.payload["action"].astext, RunItem.result, RunItem.message, RunItem.label)
        .where(RunItem.run_id == run.id).order_by(RunItem.position)
    ).all()
    done = [row for row in rows if row[0] is ItemState.DONE]
    failed = [row for row in rows if row[0] is ItemState.FAILED]
    asked = [row for row in done if row[1] == "update" and row[2]]
    return {
        "created": sum(row[2]["action"] == "create" for row in done), "updated": len(asked),
        "linked": sum(row[2]["action"] == "link" for row in done), "waiting": sum(row[1] == "leave" for row in rows),
        "failed": [{"client": row[4], "message": row[3]} for row in failed],
    }


def run(file: Path, *, as_json: bool, matches: str, **words: Any) -> int:
    """Import and print the report; the exit code is 1 when the file, a row or a client was refused."""
    try:
        report = import_clients(file, matches=matches, **words)
    except FirmamentError as error:
        if not as_json:
            raise
        imported = None if isinstance(error, StillRunning) else False
        click.echo(refusal_as_json(error, imported=imported, warnings=[]))
        return 1
    if as_json:
        click.echo(json.dumps(report, ensure_ascii=False, indent=2))
    else:
        _print(report)
    stopped = report["refused"] or report["unconfirmed"]
    failed = report.get("failed") or (stopped and not report["imported"] and not report["dry_run"])
    return 1 if failed else 0


def refusal_as_json(error: FirmamentError, **known: Any) -> str:
    """What is wrong with a file as a whole, where a report would say it of a line."""
    told = {"line": None, "column": "", "read": "", "message": error.message}
    return json.dumps({**known, "errors": [told]}, ensure_ascii=False, indent=2)


def _print(report: dict[str, Any]) -> None:
    name = SOURCE_NAMES[Source(report["source"])]
    click.echo(f"{name[0].upper()}{name[1:]}: {report['rows']} rows, {report['clients']} clients")
    read_as = ", ".join(f"{word.replace('_', ' ')} {value}" for word, value in report["reading"].items())
    click.echo(f"  read as {read_as}")
    would = "would be " if not report["imported"] else ""
    for name in ("created", "updated", "unchanged"):
        click.echo(f"  {report[name]:>6} {would}{name}")
    if report["matched"]:
        told = f"{report['linked']} linked, {report['waiting']} left"
        click.echo(f"  {report['matched']:>6} look like clients you have: {told}")
        for match in report["matches"][:10]:
            click.echo(f"         {match['name']} looks like {match['client']} {match['client_name']}")
        if report["waiting"]:
            click.echo("         Say --link-matches to link them, or --create-matches to make new clients.")
    if report["unknown"]:
        click.echo(f"  {report['unknown']:>6} have a code that nobody has: say --create-unknown to make them clients")
    for change in report["changes"][:50]:
        click.echo(f"         line {change['line']}, {change['client']}, {change['column']}: "
                   f"{change['before'] or '(empty)'} → {change['after'] or '(empty)'}")
    for move in report["moves"][:200]:
        late = f" ({move['past_deadline']}: say why with --because)" if move["past_deadline"] else ""
        click.echo(f"         line {move['line']}, {move['client']}, {move['what']}: {move['before']} → {move['after']}"
                   f"{late}")
    if report["unconfirmed"]:
        click.echo("  Recurring work moves with this. Say --move-jobs to move jobs to come along, or --keep-jobs.",
                   err=True)
    if report["opening_balances"]["count"]:
        balances = report["opening_balances"]
        numbers = f"numbers read like {report['numbers']['format']}"
        click.echo(
            f"  {balances['count']:>6} opening balances, {balances['total']} {balances['currency']} in all, {numbers}: "
            "noted, not posted"
        )
    if report["numbers"]["unclear"]:
        click.echo("  Say with --locale how this file writes numbers, for example --locale en_GB.", err=True)
    for error in report["errors"][:50]:
        at = ", ".join(filter(None, (f"line {error['line']}", error["column"])))
        click.echo(f"  {at}: {error['message']}", err=True)
    for warning in report["warnings"][:20]:
        click.echo(f"  line {warning['line']}: {warning['message']}", err=True)
    if report["refused"]:
        end = "left out" if report["imported"] else "refused; nothing was imported. Mend them, or say --skip-errors"
        click.echo(f"  {report['refused']:>6} rows {end}.", err=True)
    for failure in report.get("failed", []):
        click.echo(f"  {failure['client']}: {failure['message']}", err=True)
