"""Services, databases and applications: `session` is rolled back, `real_app` has its own database."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextvars import copy_context
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import sqlalchemy as sa
from flask import Flask
from flask.globals import _cv_app
from flask.testing import FlaskClient
from jinja2 import FileSystemBytecodeCache
from sqlalchemy import event
from sqlalchemy.orm import Session
from werkzeug.routing import Rule

from app.config import Settings
from app.core import db as database_module
from app.core.db import HouseSession, db
from tests.histories import note_histories, say_histories
from tests.locks import ASKED, complaints, watch
from tests.order import dealt
from tests.plumbing import PREFIX, TestServices, cloned_database, running_services, test_var, turn, wait_for_stop
from tests.postbox import Postbox, running_postbox
from tests.quick import is_quick, rooms_changed

NOT_COUNTED = ("SAVEPOINT", "RELEASE", "ROLLBACK", "RESET", "SET ", "SELECT set_config")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "real: commits for good, in a database of its own")
    config.addinivalue_line("markers", "browser: drives Chromium")
    config.addinivalue_line("markers", "slow: takes many seconds; left out of `make check`")
    config.addinivalue_line("markers", "soak: for `make soak` alone")
    config.addinivalue_line("markers", "audit: for `make audit` alone; needs nginx")
    config.addinivalue_line("markers", "alone: measures time; no other test runs meanwhile")
    config.addinivalue_line("markers", "histories(kind): plays random histories; see tests/histories.py")
    watch()
    # How long an example takes says more of the machine than of the code.
    hypothesis.settings.register_profile(
        "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
    )
    hypothesis.settings.load_profile("patient")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="only what needs no database or stands in a changed room")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("quick"):
        rooms = rooms_changed()
        config.hook.pytest_deselected(items=[item for item in items if not is_quick(item, rooms)])
        items[:] = [item for item in items if is_quick(item, rooms)]
    items[:] = dealt(items, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))  # when others are deselected


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        wait_for_stop()


def pytest_runtest_setup(item: pytest.Item) -> None:
    note_histories(item)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    say_histories(terminalreporter)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    with turn(test_var(), alone=item.get_closest_marker("alone") is not None):
        return (yield)


class FreshClient(FlaskClient):
    """Each request gets an application context of its own, as on a server, whatever the test holds open."""

    def open(self, *args: Any, **kwargs: Any) -> Any:
        return copy_context().run(self._open_apart, args, kwargs)

    def _open_apart(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        _cv_app.set(None)  # type: ignore[arg-type]
        kwargs.setdefault("buffered", True)
        return super().open(*args, **kwargs)


@pytest.fixture(scope="session")
def services() -> Iterator[TestServices]:
    with running_services() as running:
        keep_templates(running.settings.var / "templates")
        write_addresses_when_asked()
        yield running


def keep_templates(folder: Path) -> None:
    """Else each application compiles its templates anew, which is a fifth of what tests that make one take."""
    from app.factory import House

    folder.mkdir(parents=True, exist_ok=True)
    House.jinja_options = {**House.jinja_options, "bytecode_cache": FileSystemBytecodeCache(str(folder))}


def write_addresses_when_asked() -> None:
    """A route's code that writes its address is compiled when one is first written: for all of them that is half of
    what making an application takes, and 150 tests make one of their own."""
    compiled: Any = Rule._compile_builder

    def later(rule: Rule, append_unknown: bool = True) -> Callable[..., Any]:
        def write(_rule: Rule, **values: Any) -> Any:
            made = compiled(rule, append_unknown).__get__(rule, None)
            setattr(rule, "_build_unknown" if append_unknown else "_build", made)
            return made(**values)

        return write

    Rule._compile_builder = later  # type: ignore[method-assign]


@pytest.fixture(scope="session")
def database(services: TestServices) -> Iterator[Settings]:
    """This process's database: every rolled-back test finds it as it was made."""
    with cloned_database(services) as settings:
        yield settings


@pytest.fixture(scope="session")
def app(database: Settings) -> Iterator[Flask]:
    yield from running_app(database)


@pytest.fixture
def real_database(services: TestServices) -> Iterator[Settings]:
    """A database in which transactions really end; gone after the test."""
    with cloned_database(services) as settings:
        yield settings


@pytest.fixture
def real_app(real_database: Settings) -> Iterator[Flask]:
    yield from running_app(real_database)


def running_app(settings: Settings) -> Iterator[Flask]:
    from app.factory import create_app

    app = create_app(settings)
    app.test_client_class = FreshClient
    app.config["QUEUE_INLINE"] = []
    app.extensions["redis"].flushdb()
    yield app
    with app.app_context():
        db.session.remove()
        for engine in db.engines.values():
            engine.dispose()
    app.extensions["redis"].close()


@pytest.fixture
def queued(app: Flask) -> list[tuple[str, dict[str, Any]]]:
    """The background work that was sent in this test: (name, payload)."""
    sent: list[tuple[str, dict[str, Any]]] = app.config["QUEUE_INLINE"]
    return sent


@pytest.fixture
def postbox(app: Flask) -> Iterator[Postbox]:
    """The mail server that the product sends to in this test."""
    before = app.config["SETTINGS"]
    with running_postbox() as (box, url):
        app.config["SETTINGS"] = replace(before, smtp_url=url)
        yield box
        app.config["SETTINGS"] = before


@pytest.fixture
def session(app: Flask) -> Iterator[Session]:
    """One outer transaction around the test: commits in it are savepoints, its end undoes everything."""
    app.config["QUEUE_INLINE"].clear()
    with app.app_context():
        engines = db.engines
        kept = dict(engines)
        connection = kept[None].connect()
        outer = connection.begin()
        engines.clear()
        engines[None] = connection
        app.config["PORTAL_STAND_IN_ROLE"] = f"{PREFIX}_portal"
        db.session.remove()
        db.session.configure(join_transaction_mode="create_savepoint")
        event.listen(HouseSession, "after_begin", _leave_portal_role)
        try:
            yield db.session()
            db.session.flush()
            connection.exec_driver_sql("RESET ROLE")
            connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
        finally:
            event.remove(HouseSession, "after_begin", _leave_portal_role)
            db.session.remove()
            outer.rollback()
            connection.close()
            engines.clear()
            engines.update(kept)
            app.config["PORTAL_STAND_IN_ROLE"] = ""


def _leave_portal_role(session: Session, transaction: Any, connection: sa.Connection) -> None:
    """A role set for a portal request outlives its savepoint: what comes at the firm's door takes it off."""
    if database_module._door.get() != "portal":
        connection.exec_driver_sql("RESET ROLE")


@pytest.fixture
def client(app: Flask, session: Session) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def max_queries(app: Flask, session: Session) -> Callable[[int], Any]:
    """`with max_queries(12):` fails when the block asks the database more often."""
    connection = db.engines[None]

    class Counter:
        def __init__(self, limit: int) -> None:
            self.limit = limit
            self.seen: list[str] = []

        def __enter__(self) -> Counter:
            event.listen(connection, "before_cursor_execute", self._count)
            return self

        def _count(self, _connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            if not statement.startswith(NOT_COUNTED) and ASKED not in statement:
                self.seen.append(statement)

        def __exit__(self, *failure: object) -> None:
            event.remove(connection, "before_cursor_execute", self._count)
            if failure[0] is None:
                listing = "\n---\n".join(self.seen)
                assert len(self.seen) <= self.limit, f"{len(self.seen)} queries:\n{listing}"

    return Counter


@pytest.fixture(autouse=True)
def _locks_in_order() -> Iterator[None]:
    """No test passes in which the product took a lock against the order, even if it caught the error."""
    complaints.clear()
    yield
    assert complaints == []


@pytest.fixture(autouse=True)
def _no_outside_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the person at the keyboard has set must not change what a test sees."""
    for name in ("DATABASE_URL", "DATABASE_APP_URL", "DATABASE_PORTAL_URL", "REDIS_URL", "S3_ENDPOINT_URL",
                 "SMTP_URL", "FIRMAMENT_ENV", "SECRET_KEY", "PUBLIC_URL", "LIVE_URL"):
        monkeypatch.delenv(name, raising=False)
    os.environ.setdefault("TZ", "UTC")


@pytest.fixture
def cast(session: Session) -> Any:
    """The named cast in a rolled-back transaction."""
    from tests.kept_cast import cast_in

    return cast_in(session)
