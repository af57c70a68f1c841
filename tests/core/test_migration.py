"""The migrations make the schema that the code speaks of, once, whoever asks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from app.config import Settings
from app.core.migration import alembic_config, migrate
from app.core.schema import make_extensions
from app.models import metadata
from tests.plumbing import PREFIX, TestServices, drop, own

pytestmark = pytest.mark.real


@pytest.mark.filterwarnings("ignore:Expression .* detected to include an operator clause")
def test_the_migrated_schema_is_what_the_models_say(real_database: Settings) -> None:
    engine = sa.create_engine(real_database.database_url)
    with engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata)
    engine.dispose()
    assert found == []


def test_an_up_to_date_database_is_left_alone(real_database: Settings) -> None:
    assert migrate(real_database) is False


@contextmanager
def empty_database(services: TestServices, name: str) -> Iterator[Settings]:
    with services.admin() as admin:
        drop(admin, name)
        own(admin, name, prefix=PREFIX)
    try:
        yield services.with_database(name)
    finally:
        with services.admin() as admin:
            drop(admin, name)


def at_revision(settings: Settings, revision: str) -> sa.Engine:
    """An engine of the database, whose schema stands where an older program left it."""
    engine = sa.create_engine(settings.database_url)
    with engine.begin() as connection:
        make_extensions(connection)
        command.upgrade(alembic_config(connection), revision)
    return engine


def test_what_was_posted_before_the_sums_were_kept_is_summed_by_the_migration(services: TestServices) -> None:
    with empty_database(services, "fm_migrated_with_figures") as settings:
        engine = at_revision(settings, "0002")
        with engine.begin() as connection:
            for month, amount in (("2026-01-01", "10"), ("2026-02-01", "5.5"), ("2026-02-01", "-5.5")):
                connection.execute(sa.text(
                    "INSERT INTO balance (client_id, engagement_id, account, currency, age_month, amount) "
                    "VALUES (:client, gen_random_uuid(), 'wip', 'GBP', CAST(:month AS date), :amount)"
                ), {"client": UUID(int=7), "month": month, "amount": amount})
            command.upgrade(alembic_config(connection), "0003")
            of_client = connection.execute(sa.text("SELECT client_id, amount FROM client_balance")).all()
            of_month = connection.execute(sa.text("SELECT age_month, amount FROM account_balance")).all()
        engine.dispose()
    assert of_client == [(UUID(int=7), Decimal(10))] and of_month == [(dt.date(2026, 1, 1), Decimal(10))]


def test_several_processes_that_start_at_once_migrate_once(services: TestServices) -> None:
    with empty_database(services, "fm_migrated_at_once") as settings, ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(lambda _: migrate(settings), range(4))) == [False, False, False, True]


def test_every_table_is_under_forced_row_security(real_database: Settings) -> None:
    engine = sa.create_engine(real_database.database_url)
    with engine.connect() as connection:
        bare = connection.scalars(sa.text(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' "
            "AND relname <> 'alembic_version' AND NOT (relrowsecurity AND relforcerowsecurity)"
        )).all()
    engine.dispose()
    assert bare == []


def test_what_an_edit_or_a_split_lost_of_a_write_off_is_put_right_by_the_migration(services: TestServices) -> None:
    """Each item as the house kept it before, with the movements it had: value, open, deleted or kept, postings."""
    with empty_database(services, "fm_migrated_with_write_offs") as settings:
        engine = at_revision(settings, "0004")
        with engine.begin() as connection:
            for loosen in connection.scalars(sa.text("""
                SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname)
                FROM pg_constraint WHERE contype = 'f'
                UNION ALL SELECT format('ALTER TABLE %I ALTER COLUMN %I DROP NOT NULL', table_name, column_name)
                FROM information_schema.columns
                WHERE table_name IN ('entity', 'engagement', 'invoice') AND column_name <> 'id'
            """)).all():
                connection.execute(sa.text(loosen))
            _old_items(connection)
        assert migrate(settings) is True
        with engine.connect() as connection:
            found = {
                row.narrative: (row.value, row.written, row.billed, row.open_value)
                for row in connection.execute(sa.text("SELECT * FROM time_entry"))
            }
            moved: dict[str, Decimal] = dict(connection.execute(sa.text("""
                SELECT e.narrative, sum(p.amount) FROM posting p JOIN time_entry e ON e.id = p.item_id
                WHERE p.account = 'wip' AND p.currency = e.currency GROUP BY 1""")).all())
            kept = connection.scalar(sa.text("SELECT sum(amount) FROM balance"))
            sums = connection.scalar(sa.text("SELECT sum(amount) FROM client_balance"))
            months = connection.scalar(sa.text("SELECT sum(amount) FROM account_balance"))
        engine.dispose()
    assert found == {
        "as it was": (100, 0, 0, 100),
        "ten off": (100, -10, 0, 90),
        "edited to half and back": (100, -50, 0, 50),
        "edited to half": (50, -50, 0, 0),
        "divided": (50, -45, 0, 5),
        "its part": (50, -45, 0, 5),
        "deleted": (100, -10, 0, 0),
        "not billable": (0, -10, 0, 0),
        "billed": (100, -20, 80, 0),
    }
    assert {name: figures[3] for name, figures in found.items()} == {name: moved[name] for name in found}
    assert kept == sums == months == sum(figures[3] for figures in found.values())


def test_parts_of_templates_from_before_there_were_keys_get_theirs(services: TestServices) -> None:
    """Published or not; the second of the same words gets a key of its own."""
    with empty_database(services, "fm_migrated_with_keys") as settings:
        engine = at_revision(settings, "0047")
        with engine.begin() as connection:
            for loosen in connection.scalars(sa.text("""
                SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname)
                FROM pg_constraint WHERE contype = 'f'
                UNION ALL SELECT format('ALTER TABLE %I ALTER COLUMN %I DROP NOT NULL', c.table_name, c.column_name)
                FROM information_schema.columns c JOIN information_schema.tables t USING (table_name)
                WHERE c.table_name IN ('job_template', 'template_step', 'template_request', 'job', 'task')
                  AND c.column_name <> 'id' AND c.is_generated = 'NEVER'
            """)).all():
                connection.execute(sa.text(loosen))
            for statement in _OLD_TEMPLATE:
                connection.execute(sa.text(statement))
        assert migrate(settings) is True
        with engine.connect() as connection:
            def read(what: str) -> list[Any]:
                return [tuple(row) for row in connection.execute(sa.text(what))]

            requests = read("SELECT name, key FROM template_request ORDER BY position")
            lines = read("SELECT l->>'key', l->>'text' FROM template_step, jsonb_array_elements(checklist) l")
            ticks = read("SELECT key, text FROM checklist_item ORDER BY position")
            edges = read("SELECT lag_days, from_template FROM dependency ORDER BY lag_days")
        engine.dispose()
    assert requests == [("Your papers", "your-papers"), ("Your papers", "your-papers--2"), ("Ω", "request")]
    assert lines == [("bank", "Bank"), ("bank--2", "Bank?"), ("loans-and-cards", "Loans and cards")]
    assert ticks == [("bank", "Bank"), ("bank--2", "Bank?"), (None, "Of mine")]
    assert edges == [(0, True), (5, False)]


_OLD_TEMPLATE = (
    f"INSERT INTO job_template (id, state) VALUES ('{UUID(int=1)}', 'published')",
    f"""INSERT INTO template_step (id, template_id, key, checklist) VALUES
        ('{UUID(int=2)}', '{UUID(int=1)}', 'post', '["Bank", "Bank?", "Loans and cards"]')""",
    f"""INSERT INTO template_request (id, template_id, position, name) VALUES
        ('{UUID(int=3)}', '{UUID(int=1)}', 0, 'Your papers'), ('{UUID(int=4)}', '{UUID(int=1)}', 1, 'Your papers'),
        ('{UUID(int=5)}', '{UUID(int=1)}', 2, 'Ω')""",
    f"""INSERT INTO template_dependency (id, template_id, step_key, on_key, kind, lag_days) VALUES
        ('{UUID(int=6)}', '{UUID(int=1)}', 'post', 'collect', 'hard', 0),
        ('{UUID(int=7)}', '{UUID(int=1)}', 'review', 'post', 'hard', 2)""",
    f"INSERT INTO job (id, template_id, title, number) VALUES ('{UUID(int=8)}', '{UUID(int=1)}', 'Old', 'J1')",
    f"""INSERT INTO task (id, job_id, step_key, position, state) VALUES
        ('{UUID(int=11)}', '{UUID(int=8)}', 'collect', 0, 'ready'),
        ('{UUID(int=12)}', '{UUID(int=8)}', 'post', 1, 'blocked'),
        ('{UUID(int=13)}', '{UUID(int=8)}', 'review', 2, 'blocked'),
        ('{UUID(int=14)}', '{UUID(int=8)}', NULL, 3, 'ready')""",
    f"""INSERT INTO dependency (id, task_id, on_id, kind, lag_days) VALUES
        ('{UUID(int=21)}', '{UUID(int=12)}', '{UUID(int=11)}', 'hard', 0),
        ('{UUID(int=22)}', '{UUID(int=13)}', '{UUID(int=12)}', 'hard', 5)""",
    f"""INSERT INTO checklist_item (id, task_id, position, text) VALUES
        ('{UUID(int=31)}', '{UUID(int=12)}', 0, 'Bank'), ('{UUID(int=32)}', '{UUID(int=12)}', 1, 'Bank?'),
        ('{UUID(int=33)}', '{UUID(int=14)}', 2, 'Of mine')""",
)


def _old_items(connection: sa.Connection) -> None:
    def id_of(n: int) -> UUID:
        return UUID(int=n)

    say = connection.execute
    shared = {"entity": id_of(1), "client": id_of(2), "work": id_of(3), "bill": id_of(4), "person": id_of(5)}
    say(sa.text("INSERT INTO entity (id, name, currency) VALUES (:entity, 'E', 'GBP')"), shared)
    say(sa.text(
        "INSERT INTO engagement (id, client_id, entity_id, number, name, currency) "
        "VALUES (:work, :client, :entity, 'E1', 'Work', 'GBP')"
    ), shared)  # fmt: skip
    items: tuple[tuple[str, int, int, str, dict[str, object], tuple[tuple[str, int], ...]], ...] = (
        ("as it was", 100, 100, "open", {}, ()),
        ("ten off", 100, 90, "open", {}, (("written_off", -10),)),
        ("edited to half and back", 100, 50, "open", {}, (("written_off", -90), ("repriced", 40))),
        ("edited to half", 50, 0, "open", {}, (("written_off", -90), ("repriced", -10))),
        ("divided", 50, 5, "open", {}, (("written_off", -90), ("transferred", -5))),
        ("its part", 50, 5, "open", {"split_from_id": id_of(104)}, (("transferred", 5),)),
        ("deleted", 100, 0, "open", {"deleted_at": dt.datetime(2026, 2, 1, tzinfo=dt.UTC), "value_when_deleted": 90},
         (("written_off", -10), ("repriced", -90))),
        ("not billable", 0, 0, "open", {"billable": False, "value_when_deleted": -10},
         (("written_off", -10), ("repriced", -90))),
        ("billed", 100, 0, "billed", {}, (("written_off", -20), ("billed", -80))),
    )  # fmt: skip
    for n, (words, value, left, state, more, moves) in enumerate(items):
        entry = {
            "id": id_of(100 + n), "client_id": shared["client"], "engagement_id": shared["work"],
            "person_id": shared["person"], "worked_on": dt.date(2026, 1, 9), "billable": True, "narrative": words,
            "currency": "GBP", "value": value, "open_value": left, "state": state, "hold_reason": "",
            "recorded": 3600, "charged": 3600, "rounding": "{}", "rate": 100, "rate_source": "", "activity": "",
        } | more  # fmt: skip
        columns = ", ".join(entry)
        say(sa.text(f"INSERT INTO time_entry ({columns}) VALUES (:{', :'.join(entry)})"), entry)
        first = () if words == "its part" else (("recorded", 100),)
        for kind, amount in (*first, *moves):
            made = connection.scalar(sa.text(
                "INSERT INTO ledger_transaction (kind, posted_on, happened_on, source_kind, source_id, reason) "
                "VALUES (:kind, '2026-01-09', '2026-01-09', 'time_entry', :id, '') RETURNING id"
            ), {"kind": kind, "id": entry["id"]})  # fmt: skip
            for line, account, sign in ((1, "wip", 1), (2, "wip_memo", -1)):
                say(sa.text(
                    "INSERT INTO posting (transaction_id, line, account, amount, currency, base_amount, base_rate, "
                    "client_id, engagement_id, item_id, age_month) VALUES (:made, :line, :account, :amount, 'GBP', "
                    ":amount, 1, :client, :work, :id, '2026-01-01')"
                ), shared | {"made": made, "line": line, "account": account, "amount": sign * amount,
                             "id": entry["id"]})  # fmt: skip
    say(sa.text(
        "INSERT INTO invoice_line (id, invoice_id, client_id, engagement_id, position, kind, description, quantity, "
        "unit_price, net, tax_treatment, tax_percent, tax_legend, tax) VALUES (:bill, :bill, :client, :work, 0, 'fee', "
        "'Work', 1, 80, 80, 'standard', 0, '', 0)"
    ), shared)  # fmt: skip
    say(sa.text(
        "INSERT INTO invoice (id, kind, state, number, entity_id, client_id, payer_id, currency, tax_mode, terms_days, "
        "net, tax, gross, open_amount, note, reason) VALUES (:bill, 'invoice', 'approved', 'INV-1', :entity, :client, "
        ":client, 'GBP', 'line', 14, 80, 0, 80, 80, '', '')"
    ), shared)  # fmt: skip
    say(sa.text(
        "INSERT INTO invoice_item (invoice_id, item_id, item_kind, line_id, treatment, value, billed, live) "
        "VALUES (:bill, :item, 'time_entry', :bill, 'bill', 100, 80, true)"
    ), shared | {"item": id_of(108)})  # fmt: skip
    say(sa.text(
        "INSERT INTO balance (client_id, engagement_id, account, currency, age_month, amount) SELECT client_id, "
        "engagement_id, account, currency, age_month, sum(amount) FROM posting WHERE account = 'wip' GROUP BY 1,2,3,4,5"
    ))  # fmt: skip
    say(sa.text(
        "INSERT INTO client_balance (account, client_id, currency, amount) "
        "SELECT account, client_id, currency, sum(amount) FROM balance GROUP BY 1, 2, 3"
    ))  # fmt: skip
    say(sa.text(
        "INSERT INTO account_balance (account, currency, age_month, amount) "
        "SELECT account, currency, age_month, sum(amount) FROM balance GROUP BY 1, 2, 3"
    ))  # fmt: skip
