"""What a load balancer and an operator may ask."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.config import Settings
from app.core.health import look
from app.core.logs import ACCEPTED_ID


def test_the_process_says_that_it_lives(client: FlaskClient) -> None:
    assert client.get("/healthz").status_code == 200


def test_ready_when_everything_behind_it_answers(client: FlaskClient) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.get_json()["parts"] == {"database": True, "portal database": True, "redis": True, "s3": True}


def test_not_ready_names_what_is_missing_and_nothing_more(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = replace(app.config["SETTINGS"], redis_url="redis://:hidden@127.0.0.1:1/0", s3_endpoint_url="http://127.0.0.1:1")
    monkeypatch.setitem(app.config, "SETTINGS", broken)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.get_json()["failing"] == ["redis", "s3"]
    assert b"hidden" not in answer.data


def test_a_wrong_password_is_told_as_a_reason_to_the_operator(database: Settings) -> None:
    wrong = replace(database, database_app_url=database.database_app_url.replace("://firmament_test_app:", "://firmament_test_app:x"))
    finding = next(found for found in look(wrong) if found.name == "database")
    assert not finding.ok
    assert "password authentication failed" in finding.reason


def test_an_answer_carries_the_request_id_it_was_sent(client: FlaskClient) -> None:
    sent = client.get("/healthz", headers={"X-Request-ID": "from-proxy-1234"})
    assert sent.headers["X-Request-ID"] == "from-proxy-1234"


def test_a_request_id_that_could_forge_a_log_line_is_replaced(client: FlaskClient) -> None:
    made = client.get("/healthz", headers={"X-Request-ID": 'evil" status=200 x="'}).headers["X-Request-ID"]
    assert ACCEPTED_ID.fullmatch(made)
    assert "evil" not in made
