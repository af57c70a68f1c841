"""`firmament import rates FILE`: the same as on the settings page, for scripts."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa

from app.core import clock
from app.core.actors import SYSTEM
from app.core.db import db, transaction
from app.core.errors import FirmamentError, Refused
from app.core.ids import new_id
from app.firm.models import Firm
from app.ledger.rate_files import EURO
from app.ledger.rates import RatePlan, Wanted, plan_rates, send_rate_file, take_rates


class _DryRun(Exception):
    """Ends the transaction of a run that is to change nothing."""


def import_rates(
    path: Path, *, currencies: tuple[str, ...], everything: bool, from_on: dt.date | None, dry_run: bool,
    skip_errors: bool,
) -> dict[str, Any]:
    """Take rates from a list of the ECB. Returns the report that `--json` prints. Raises Refused."""
    zone = db.session.scalar(sa.select(Firm.zone))
    if zone is None:
        raise Refused("There is no firm yet. Set one up first: open the address that `make run` prints.")
    clock.set_zone(zone)
    report: dict[str, Any] = {}
    try:
        with transaction():
            sent = send_rate_file(new_id(), path.name, path.read_bytes(), by=SYSTEM)
            plan = plan_rates(sent)
            named = frozenset(code.upper() for code in currencies)
            offered = {*plan.table.currencies, EURO}
            if unknown := sorted(named - offered):
                raise Refused(f"The file has no {', '.join(unknown)}. It has {', '.join(sorted(offered))}.")
            wanted = Wanted(frozenset(offered) if everything else named or plan.wanted.currencies, from_on)
            if not wanted.currencies:
                raise Refused("No work is in another currency. Name some with --currency, or say --all.")
            plan = plan_rates(sent, wanted)
            report = _report(plan) | {"dry_run": dry_run}
            if dry_run or (plan.problems and not skip_errors):
                raise _DryRun
            report["added"] = take_rates(sent, wanted, by=SYSTEM, skip_problems=skip_errors)
    except _DryRun:
        pass
    return report


def _report(plan: RatePlan) -> dict[str, Any]:
    return {
        "added": 0, "new": len(plan.new), "there_already": plan.same, "currencies": sorted(plan.wanted.currencies),
        "differing": [
            {"line": said.line, "currency": said.currency, "base": said.base, "from_on": str(said.from_on),
             "kept": _plain(known.rate), "in_file": _plain(said.rate), "kept_from": known.said_by}
            for said, known in plan.differing
        ],
        "without": [
            {"currency": pair[0], "base": pair[1], "days": days, "last": str(last)} for pair, days, last in plan.without
        ],
        "errors": [{"line": bad.line, "message": bad.message} for bad in plan.problems],
    }  # fmt: skip


def _plain(number: Any) -> str:
    return f"{number.normalize():f}"


def run(file: Path, *, as_json: bool, **words: Any) -> int:
    """Take them and print the report; the exit code is 1 when a line was bad and nothing was taken."""
    try:
        report = import_rates(file, **words)
    except FirmamentError as error:
        if not as_json:
            raise
        told = {"line": None, "message": error.message}
        click.echo(json.dumps({"added": 0, "errors": [told]}, ensure_ascii=False, indent=2))
        return 1
    if as_json:
        click.echo(json.dumps(report, ensure_ascii=False, indent=2))
    else:
        _print(report)
    return 1 if report["errors"] and not report["added"] else 0


def _print(report: dict[str, Any]) -> None:
    would = "would be " if report["dry_run"] else ""
    added = report["new"] if report["dry_run"] else report["added"]
    codes, same = ", ".join(report["currencies"]), report["there_already"]
    click.echo(f"{codes}: {added} rates {would}added, {same} there already")
    for row in report["differing"][:50]:
        click.echo(
            f"  line {row['line']}: {row['from_on']}, 1 {row['currency']} is {row['kept']} {row['base']} here "
            f"({row['kept_from']}) and {row['in_file']} in the file; what is here stays", err=True,
        )  # fmt: skip
    for row in report["without"]:
        click.echo(f"  {row['currency']} in {row['base']}: no rate on {row['days']} days, the last one {row['last']}")
    for row in report["errors"][:50]:
        click.echo(f"  line {row['line']}: {row['message']}", err=True)
    if report["errors"] and not report["added"]:
        click.echo("  Nothing was added. Mend these lines, or say --skip-errors.", err=True)
