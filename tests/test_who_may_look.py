"""Which role may open which page: `data/who_may_look.txt` says it, and a page that it does not name fails here."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.core.permissions import Role
from tests.journeys.world import make_world
from tests.make import Cast, sign_in
from tests.test_architecture import rules

TABLE = Path(__file__).with_name("data") / "who_may_look.txt"


@pytest.mark.slow
def test_every_page_opens_for_the_roles_that_the_table_names_and_no_other(
    app: Flask, client: FlaskClient, cast: Cast
) -> None:
    world = make_world(cast)
    people = {Role.PARTNER: cast.pat, Role.MANAGER: cast.mel, Role.STAFF: cast.sam, Role.BILLING: cast.bea,
              Role.ADMIN: cast.ada}
    may: dict[str, list[str]] = {}
    for role, person in people.items():
        sign_in(client, person)
        for rule in rules(app):
            address = world.fill(rule) if "GET" in rule.methods else None
            if address is None or rule.rule.startswith("/portal"):
                continue
            roles = may.setdefault(rule.rule, [])
            if client.get(address).status_code not in (403, 404):
                roles.append(role.value)
    found = {rule: " ".join(roles) for rule, roles in may.items()}
    written = [line.rsplit(":", 1) for line in TABLE.read_text().splitlines() if line and not line.startswith("#")]
    kept = {rule: roles.strip() for rule, roles in written}
    differing = [f"{rule}: {roles}" for rule, roles in sorted(found.items()) if kept.get(rule) != roles]
    assert differing == [], "If this is what is meant, write it down:\n" + "\n".join(differing)
    assert sorted(set(kept) - set(found)) == []
