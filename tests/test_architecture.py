"""What holds for the whole house: every door guarded, every command asking first, one place that commits."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.core import queue
from app.core.db import Base, MadeOnce, db
from app.exchange.backup import table_names
from tests.journeys.world import World, make_world
from tests.make import Cast, sign_in
from tests.mutants import is_command

ROOT = Path(__file__).parents[1]
# Open to whoever knocks: the ways in, the health of the house, its colours.
OPEN = re.compile(r"^(sign_in|sign_out|setup|health|brand|dev_mail|static|portal\.sign_in|portal\.brand|live)(\.|$)")


def rules(app: Flask) -> Iterator[Any]:
    yield from (rule for rule in app.url_map.iter_rules() if not OPEN.match(rule.endpoint))


# What only other commands call, which have asked already.
CALLED_BY_COMMANDS = {"record", "set_client_wait", "undo_write"}
# Rooms that hold nothing of a client's.
FIRMS_OWN = ("firm", "people", "activity", "runs", "catalogue")


def modules(pattern: str) -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(ROOT.glob(pattern)):
        yield path, ast.parse(path.read_text())


@pytest.mark.slow
def test_nobody_gets_past_a_door_without_signing_in(app: Flask, client: FlaskClient, cast: Cast) -> None:
    app.config["WTF_CSRF_ENABLED"] = False
    try:
        let_in = []
        for rule in rules(app):
            address = World({name: uuid4() for name in rule.arguments}).fill(rule)
            for method in rule.methods - {"HEAD", "OPTIONS"}:
                answer = client.open(address, method=method)
                sent_away = answer.status_code in (301, 302, 303) and "sign-in" in answer.headers["Location"]
                if not sent_away and answer.status_code != 401:
                    let_in.append(f"{method} {rule} {answer.status_code}")
        assert let_in == []
    finally:
        app.config["WTF_CSRF_ENABLED"] = True


def test_every_changing_request_needs_the_forms_own_token(app: Flask, client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.pat)
    del client.environ_base["HTTP_X_CSRFTOKEN"]
    without = []
    for rule in rules(app):
        if "POST" in rule.methods and not rule.rule.startswith("/portal"):
            address = World({name: uuid4() for name in rule.arguments}).fill(rule)
            if client.post(address).status_code not in (400, 403):
                without.append(str(rule))
    assert without == []


@pytest.mark.slow
def test_looking_changes_nothing(app: Flask, client: FlaskClient, cast: Cast, session: Session) -> None:
    """Beyond what DECISIONS lists: access events, viewed_at, a session's last-seen."""
    world = make_world(cast)
    sign_in(client, cast.pat)
    db.session.commit()
    before = fingerprints(session)
    broken = []
    for rule in rules(app):
        if "GET" in rule.methods and not rule.rule.startswith("/portal"):
            address = world.fill(rule)
            if address is not None and client.get(address).status_code >= 500:
                broken.append(address)
    after = fingerprints(session)
    changed = [name for name in before if before[name] != after[name]]
    assert (broken, changed) == ([], [])


def fingerprints(session: Session) -> dict[str, str]:
    columns_left_out = {"person_session": "last_seen_at", "invoice": "viewed_at", "client_request": "viewed_at"}
    found = {}
    for name in table_names(session.connection()):
        if name in ("event", "event_payload", "outbox", "event_seal", "reader_position"):
            continue
        row = f"(to_jsonb(t) - '{columns_left_out.get(name, '')}')::text"
        rows = f"string_agg({row}, chr(10) ORDER BY {row})"
        found[name] = str(session.scalar(sa.text(f"SELECT md5(coalesce({rows}, '')) FROM \"{name}\" t")))
    return found


@pytest.mark.slow
def test_no_page_of_one_client_is_there_for_somebody_behind_its_wall(
    app: Flask, client: FlaskClient, cast: Cast, session: Session
) -> None:
    """Wes is walled off from Rival: every address of Rival's things answers as one that never existed."""
    world = make_world(cast, client=cast.rival, engagement=cast.rival_work, contact=cast.otto)
    sign_in(client, cast.wes)
    theirs = {
        "client_id",
        "engagement_id",
        "series_id",
        "job_id",
        "task_id",
        "request_id",
        "entry_id",
        "invoice_id",
        "payment_id",
        "expense_id",
        "document_id",
    }
    seen = []
    for rule in rules(app):
        if "GET" not in rule.methods or not theirs & rule.arguments or rule.rule.startswith("/portal"):
            continue
        address, unknown = world.fill(rule), World({n: uuid4() for n in rule.arguments} | {"kind": "client"}).fill(rule)
        if address is None or unknown is None:
            continue
        answer, stranger = client.get(address), client.get(unknown)
        if answer.status_code != stranger.status_code or b"Rival" in answer.data:
            seen.append(f"{address} {answer.status_code} instead of {stranger.status_code}")
    assert seen == []


def test_only_transaction_commits() -> None:
    culprits = []
    for path, tree in [*modules("app/**/*.py"), *modules("portal/**/*.py")]:
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "commit":
                culprits.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert [c for c in culprits if not c.startswith(("app/core/db.py", "app/core/migration.py"))] == []


def commands() -> Iterator[tuple[Path, ast.FunctionDef]]:
    for path, tree in [*modules("app/*/commands.py"), *modules("app/*/commands/*.py")]:
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                yield path, node


def test_every_command_that_takes_an_actor_asks_for_permission_first() -> None:
    silent = []
    for path, node in commands():
        if not any(argument.arg == "by" for argument in node.args.kwonlyargs) or "transaction" not in ast.dump(node):
            continue
        if "authorize" not in ast.dump(node) and node.name not in CALLED_BY_COMMANDS:
            silent.append(f"{path.relative_to(ROOT)}:{node.name}")
    assert silent == []


def test_every_command_is_named_by_a_test() -> None:
    """A part that others outside its module do not call is private, and tested with what calls it."""
    named = {word for path in ROOT.glob("tests/**/test_*.py") for word in re.findall(r"\w+", path.read_text())}
    unnamed = [
        f"{path.relative_to(ROOT)}:{node.name}"
        for pattern in ("app/**/commands.py", "app/**/commands/**/*.py", "portal/**/*.py")
        for path, tree in modules(pattern)
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and is_command(node)
        if node.name not in named
    ]
    assert unnamed == []


def test_what_takes_its_id_from_a_form_keeps_what_the_form_said() -> None:
    """Where it does not, the same id with other facts would give the first thing back without a word."""
    once = {mapper.class_.__name__ for mapper in Base.registry.mappers if issubclass(mapper.class_, MadeOnce)}
    silent = []
    for path, node in commands():
        given = {argument.arg for argument in node.args.args if argument.arg.endswith("_id")}
        for call in ast.walk(node):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.func.id not in once:
                continue
            ids = [word.value for word in call.keywords if word.arg == "id"]
            from_a_form = any(isinstance(each, ast.Name) and each.id in given for each in ids)
            if from_a_form and "made_from" not in ast.dump(node):
                silent.append(f"{path.relative_to(ROOT)}:{node.name} makes a {call.func.id}")
    assert silent == []


def test_every_query_that_lists_or_gets_says_who_sees_it() -> None:
    blind = []
    for path, tree in [*modules("app/*/queries.py"), *modules("app/*/queries/*.py")]:
        if set(path.parts) & set(FIRMS_OWN):
            continue
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith(("get_", "list_")):
                names = {a.arg for a in [*node.args.args, *node.args.kwonlyargs]}
                notes = [a.annotation for a in node.args.args]
                of_a_row = any(isinstance(n, ast.Name) and n.id in ("Job", "Task", "Invoice", "Run") for n in notes)
                if "seen_by" not in names and not of_a_row:
                    blind.append(f"{path.relative_to(ROOT)}:{node.name}")
    assert blind == []


def test_every_background_work_that_is_enqueued_exists(app: Flask) -> None:
    named = set()
    for _, tree in [*modules("app/**/*.py"), *modules("portal/**/*.py")]:
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ("enqueue", "send", "send_or_refuse")
                and node.args
                and isinstance(node.args[0], ast.Constant)
            ):
                named.add(str(node.args[0].value))
    assert named and named - set(queue.registered()) == set()


@pytest.mark.parametrize("forbidden", [
    "print(", "pickle", "yaml.load", "shell=True", "datetime.now(", "date.today(", "md5(", "sha1(", "eval(", "exec(",
    "verify=False", "debug=True", "render_template_string",
])
def test_what_the_house_never_does(forbidden: str) -> None:
    allowed = {"app/core/clock.py", "app/cli.py", "app/config.py"}
    found = [
        str(path.relative_to(ROOT))
        for path in [*ROOT.glob("app/**/*.py"), *ROOT.glob("portal/**/*.py")]
        if re.search(rf"(?<![\w.]){re.escape(forbidden)}", path.read_text())
        and str(path.relative_to(ROOT)) not in allowed
    ]
    assert found == []
