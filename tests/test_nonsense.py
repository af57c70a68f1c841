"""Whatever is sent to any address, the answer is a clear one and never a breakdown."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.core.db import db
from app.core.web import LONGEST_TEXT
from tests.journeys.world import World, make_world
from tests.make import Cast, sign_in, with_csrf
from tests.portal.make_portal import at_portal
from tests.test_architecture import rules

ROOT = Path(__file__).parents[1]
# Names of fields as views and forms read them, and of what addresses carry.
READ = re.compile(
    r"(?:form\.get(?:list)?|_typed|arg)\(\s*\"([a-z_]+)\"|^    ([a-z_]+)(?:: .*)? = [\w.]*Field\(", re.MULTILINE
)
TAKES_AWAY = re.compile("removal|deletion|sign_out|undo|discard|cancel|abandon|archive|/end|clos|deactivation")
NONSENSE = {
    "a long odd text": "a\x00b \u202eשלום <script>'\"; DROP TABLE job; -- \\ud800 ₿" + "x" * LONGEST_TEXT,
    "digits that are no number": "²",
    "a number beyond all": "9" * 40,
}


def field_names() -> list[str]:
    sources = [*ROOT.glob("app/**/*.py"), *ROOT.glob("portal/*.py")]
    found = {name for path in sources for pair in READ.findall(path.read_text()) for name in pair if name}
    return sorted(found - {"csrf_token"})


def addresses(app: Flask, world: World, *, portal: bool) -> Iterator[tuple[str, str]]:
    """(method, address), what takes things away last."""
    for rule in sorted(rules(app), key=lambda rule: (bool(TAKES_AWAY.search(rule.rule)), rule.rule)):
        address = world.fill(rule)
        if address is not None and rule.rule.startswith("/portal") == portal:
            yield from ((method, address) for method in sorted(rule.methods & {"GET", "POST"}))


def broken_by(send: Callable[..., Any], tried: Iterator[tuple[str, str]], nonsense: str) -> list[str]:
    sent, broken = dict.fromkeys(field_names(), nonsense), []
    asked = dict.fromkeys(list(sent), nonsense[:300])
    # Written once: some hundred fields of this length, each time anew, took half of the test.
    body = {"data": urlencode(sent, errors="surrogatepass"), "content_type": "application/x-www-form-urlencoded"}
    for method, address in tried:
        answer = send(address, method=method, **(body if method == "POST" else {"query_string": asked}))
        if answer.status_code >= 500:
            broken.append(f"{method} {address} {answer.status_code}")
    return broken


@pytest.mark.slow
@pytest.mark.parametrize("what", NONSENSE)
def test_nonsense_breaks_nothing_at_the_firms_door(app: Flask, client: FlaskClient, cast: Cast, what: str) -> None:
    world = make_world(cast)
    sign_in(client, cast.pat)
    db.session.commit()
    assert broken_by(client.open, addresses(app, world, portal=False), NONSENSE[what]) == []


@pytest.mark.slow
@pytest.mark.parametrize("what", NONSENSE)
def test_nonsense_breaks_nothing_at_the_clients_door(app: Flask, client: FlaskClient, cast: Cast, what: str) -> None:
    world = make_world(cast)
    browser = at_portal(client, cast.cleo)
    with_csrf(client, "/portal/")
    db.session.commit()
    assert broken_by(browser.open, addresses(app, world, portal=True), NONSENSE[what]) == []
