"""The `firmament` command: a small function for each, importing its room only when it is called."""

from __future__ import annotations

import functools
import gc
import sys
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app.catalogue.deadline_cli import deadline_command
from app.config import BadSettings, Settings
from app.core.backing import BackingFailed

if TYPE_CHECKING:
    from flask import Flask

Command = Callable[..., Any]


class House(click.Group):
    """Turns an error that carries a sentence for a person into that sentence and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        from app.core.errors import FirmamentError

        try:
            return super().invoke(ctx)
        except (BackingFailed, BadSettings, FirmamentError) as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=House)
def main() -> None:
    """Firmament: runs a professional-services firm."""


main.add_command(deadline_command)


def with_settings(command: Command) -> Command:
    """Hand the command settings with every address filled in; what runs nowhere is started meanwhile."""

    @functools.wraps(command)
    def run(*args: Any, **words: Any) -> Any:
        from app.core.backing import services

        with services(Settings.from_environment()) as settings:
            return command(settings, *args, **words)

    return run


def with_app(command: Command) -> Command:
    """Hand the command the application, in its context, with every service at hand."""

    @functools.wraps(command)
    def run(*args: Any, **words: Any) -> Any:
        from app.core.backing import missing, services
        from app.factory import worker_app

        settings = Settings.from_environment()
        with ExitStack() as stack:
            ours = missing(settings)
            settings = stack.enter_context(services(settings))
            if "postgres" in ours:
                migrate_database(settings)
            app: Flask = worker_app(settings)
            stack.enter_context(app.app_context())
            return command(app, *args, **words)

    return run


def migrate_database(settings: Settings) -> bool:
    from app.core.migration import migrate

    return migrate(settings)


@main.command()
def up() -> None:
    """Start everything and keep it running until Ctrl-C."""
    from app.supervisor import Supervisor

    supervisor = Supervisor(Settings.from_environment(), say=click.echo, has_demo="demo" in main.commands)
    sys.exit(supervisor.run())


@main.command()
@with_settings
def migrate(settings: Settings) -> None:
    """Bring the database's schema up to date."""
    click.echo("The schema was made." if migrate_database(settings) else "The schema is up to date.")


@main.command()
@click.argument("queues", nargs=-1, type=click.Choice(["now", "mail", "files", "papers", "large", "bulk", "sweeps"]))
@with_app
def worker(app: Flask, queues: tuple[str, ...]) -> None:
    """Do the background work of the given queues; without any, of all, with a process for each kind of work."""
    from app.core.queue import PROCESSES
    from app.core.worker import run_worker, run_workers

    if queues:
        run_worker(app, list(queues))
    else:
        run_workers(app, PROCESSES)


@main.command()
@with_app
def scheduler(app: Flask) -> None:
    """Start the recurring background work when it is due."""
    from app.core.worker import run_scheduler
    from app.demo.seed import hold_while_unfinished

    hold_while_unfinished()
    run_scheduler(app)


@main.command("sign-in-link")
@click.argument("role")
@with_app
def sign_in_link(app: Flask, role: str) -> None:
    """Print a link that signs in as somebody of ROLE, or as a client's `contact` (in development only)."""
    from app.welcome import link_for

    click.echo(link_for(role))


@main.command("setup-link")
@with_app
def setup_link(app: Flask) -> None:
    """Print the one-time link that sets an empty firm up; it ends the one before."""
    from app.people.commands.links import make_setup_link

    click.echo(make_setup_link())


@main.command()
@click.option("--days", default=365, show_default=True, type=click.IntRange(1, 3650), help="How long its history is.")
@with_app
def demo(app: Flask, days: int) -> None:
    """Make the demo firm, with its history, in an empty database; one that was interrupted goes on."""
    from app.demo.seed import seed_if_empty

    # Why: a year holds many rows at once, and looking through them for cycles took 0.97 s of 28; so it takes 0.31.
    gc.set_threshold(50_000, 20, 50)
    if not seed_if_empty(click.echo, days):
        click.echo("There is a firm here already.")


@main.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@with_app
def backup(app: Flask, file: Path) -> None:
    """Write the whole firm, data and documents, into FILE."""
    from app.core.actors import SYSTEM
    from app.exchange.anchor_mail import BACKUP, mail_anchor
    from app.exchange.backup import write_backup

    written = write_backup(app.config["SETTINGS"], file)
    mail_anchor(written.chain, BACKUP, by=SYSTEM)
    rows = sum(written.tables.values())
    click.echo(f"{file}: {rows} rows and {written.objects} objects of {written.bytes} bytes in all.")
    if written.missing:
        click.echo(f"Storage had lost {len(written.missing)} objects that rows name, first {written.missing[0]}.")


@main.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@with_app
def restore(app: Flask, file: Path) -> None:
    """Load a backup into this place, which must be empty."""
    from app.exchange.restore import read_backup

    written = read_backup(app.config["SETTINGS"], file)
    click.echo(f"Restored {sum(written.tables.values())} rows and {written.objects} objects. Now run: firmament verify")


@main.command(hidden=True)
@click.option("--wait", default=0.0, help="Seconds to wait for a firm that is just being made.")
@with_app
def welcome(app: Flask, wait: float) -> None:
    """Print how to come in: the setup link of an empty firm, else a sign-in link for each role."""
    from app.welcome import lines

    for line in lines(wait):
        click.echo(line)


@main.group("import")
def import_group() -> None:
    """Bring data in from other systems."""


@import_group.command("clients")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what would happen, and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON (docs/import.md).")
@click.option("--link-matches", "matches", flag_value="link", help="Link rows that look like a client you have.")
@click.option("--create-matches", "matches", flag_value="new", help="Make new clients of them all the same.")
@click.option("--create-unknown", is_flag=True, help="Make clients of rows of our own list whose code nobody has.")
@click.option("--skip-errors", is_flag=True, help="Bring in the good rows of a file that has bad ones.")
@click.option("--move-jobs", "jobs", flag_value="move", help="Where clients' periods change, move jobs to come along.")
@click.option("--keep-jobs", "jobs", flag_value="keep", help="Or keep them as they are.")
@click.option("--because", default="", metavar="TEXT", help="Why a job that moves may be due past a deadline.")
@click.option("--source", type=click.Choice(["xero", "quickbooks", "clio", "taxdome", "firmament", "other"]),
              help="If not seen; firmament is a list that was taken out here.")
@click.option("--office", help="The office that new clients belong to; the first one if not given.")
@click.option("--column", "columns", multiple=True, metavar="COLUMN=TARGET", help="If not guessed.")
@click.option("--sheet", metavar="NAME", help="Of a workbook, if not the one that looks like clients.")
@click.option("--header-line", type=click.IntRange(min=1), metavar="LINE", help="Where the heads stand, if not seen.")
@click.option("--encoding", metavar="ENCODING", help="Of a CSV, such as cp1250, if not seen from it.")
@click.option("--locale", metavar="LOCALE", help="How the file writes numbers, such as de_DE, if not seen from it.")
@click.option("--portal-access", is_flag=True, help="Let imported contacts with an e-mail address into the portal.")
@with_app
def import_clients(app: Flask, file: Path, matches: str | None, **words: Any) -> None:
    """Bring clients in from Xero, QuickBooks Online, Clio, TaxDome, or any CSV or XLSX."""
    from app.exchange.import_cli import run

    sys.exit(run(file, matches=matches or "", **words))


@import_group.command("rates")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--currency", "currencies", multiple=True, metavar="CODE", help="If not those that the firm works in.")
@click.option("--all", "everything", is_flag=True, help="Every currency of the file.")
@click.option("--from", "from_on", type=click.DateTime(["%Y-%m-%d"]), help="No rates from before this day.")
@click.option("--dry-run", is_flag=True, help="Say what would happen, and change nothing.")
@click.option("--skip-errors", is_flag=True, help="Take the good lines of a file that has bad ones.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON (docs/import.md).")
@with_app
def import_rates(app: Flask, file: Path, from_on: datetime | None, **words: Any) -> None:
    """Take exchange rates from a list of the European Central Bank: eurofxref.csv or eurofxref-hist.csv."""
    from app.exchange.rates_cli import run

    sys.exit(run(file, from_on=from_on.date() if from_on else None, **words))


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@click.option("--anchor", "anchors", multiple=True, metavar="ANCHOR",
              help="Compare with an anchor in hand: POSITION:HASH, a file that holds one, or a backup.")
@click.option("--objects", type=click.Choice(["some", "all"]), default="some",
              help="How many stored objects to read again: 500, those read longest ago first, or every one.")
@with_app
def verify(app: Flask, as_json: bool, anchors: tuple[str, ...], objects: str) -> None:
    """Prove that the event log, the ledger and every kept copy are what they must be."""
    from app.exchange.verify_cli import run

    sys.exit(run(as_json=as_json, say=click.echo, anchors=anchors, all_objects=objects == "all"))


@main.group()
def repair() -> None:
    """Put right what an older version left wrong, by what is posted now; nothing that was posted is changed."""


@repair.command("books")
@click.option("--apply", "applies", is_flag=True, help="Post it. Without this, only say what would be posted.")
@with_app
def repair_books(app: Flask, applies: bool) -> None:
    """WIP in another entity's books, and amounts that are closed in their currency but not in base."""
    from app.exchange.repair_cli import run

    run(applies=applies, say=click.echo)


@main.command()
@with_app
def anchor(app: Flask) -> None:
    """Print where the event log ends, to be kept elsewhere: `verify --anchor` compares with it."""
    from app.activity.queries import chain_end

    end = chain_end()
    click.echo(f"{end.position}:{end.hash}" if end.position else "Nothing is sealed yet.")


@main.command()
@click.argument("events", nargs=-1, required=True, type=int)
@click.option("--reason", required=True, help="Why; it is told by an event of its own.")
@with_app
def erase(app: Flask, events: tuple[int, ...], reason: str) -> None:
    """Erase the words and values of EVENTS (their numbers) for good, where the law asks for it."""
    from app.activity.commands import erase_payloads
    from app.core.actors import SYSTEM

    click.echo(f"The words of {erase_payloads(events, reason, by=SYSTEM)} events are erased.")


@main.command()
@click.option("--database-admin", envvar="DATABASE_ADMIN_URL", required=True, metavar="URL",
              help="Who may make databases and logins: postgresql://postgres:…@host/postgres (DATABASE_ADMIN_URL).")
@click.option("--s3-admin-key", envvar="S3_ADMIN_ACCESS_KEY", default="", help="If S3_ACCESS_KEY may make no bucket.")
@click.option("--s3-admin-secret", envvar="S3_ADMIN_SECRET_KEY", default="", help="Its secret.")
@click.option("--env-file", type=click.Path(dir_okay=False, path_type=Path),
              help="Settings are read from it, and what is made up is added to it; else it is printed.")
def provision(database_admin: str, s3_admin_key: str, s3_admin_secret: str, env_file: Path | None) -> None:
    """Make the database, its three logins, the bucket and its CORS; a second time there is nothing to do."""
    import os

    from app.provision import Admins, provision

    provision(os.environ, Admins(database_admin, s3_admin_key, s3_admin_secret), file=env_file, say=click.echo)


@main.command()
def check() -> None:
    """Say what is reachable, what is not, and how to mend it."""
    from app.checks import report

    sys.exit(report(Settings.from_environment(), say=click.echo))


if __name__ == "__main__":
    main()
