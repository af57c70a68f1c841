"""A firm that has just been set up: every page opens, and says what will stand there."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.core.db import db
from tests.make import Cast, sign_in
from tests.test_architecture import rules

# What shows its own things from the first day on: forms, settings with their usual values, one's own account.
FILLED = re.compile(
    r"^/(account|settings|setup|people|search|dashboard|audit|clients/import|services/library|dev|lookup|palette|inbox/bell"
    r"|timers|logo|brand|requests/new|billing/payments/open-invoices|healthz|readyz|time$)|/new$"
)


@pytest.mark.slow
def test_every_list_says_what_will_stand_there(app: Flask, client: FlaskClient, cast: Cast) -> None:
    db.session.execute(sa.text("UPDATE client SET archived_at = now()"))
    sign_in(client, cast.pat)
    silent, broken = [], []
    for rule in rules(app):
        if "GET" not in rule.methods or rule.arguments or rule.rule.startswith("/portal") or "." in rule.rule:
            continue
        answer = client.get(rule.rule)
        if answer.status_code not in (200, 302, 303, 404):
            broken.append(f"{rule} {answer.status_code}")
        elif answer.status_code == 200 and not FILLED.search(rule.rule) and 'class="empty"' not in answer.text:
            silent.append(str(rule))
    assert (broken, silent) == ([], [])


def test_columns_without_a_card_can_still_be_scrolled_by_keyboard(client: FlaskClient, cast: Cast) -> None:
    db.session.execute(sa.text("UPDATE client SET archived_at = now()"))
    columns = re.search(r'<div class="board"[^>]*>', sign_in(client, cast.pat).get("/board?view=week").text)
    assert columns and 'tabindex="0"' in columns[0] and 'role="region"' in columns[0] and "aria-label=" in columns[0]
