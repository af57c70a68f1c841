"""What a load balancer and an operator may ask."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient

from app.config import Settings
from app.core.health import look
from app.core.ids import new_id
from app.core.logs import ACCEPTED_ID
from app.core.probing import keep_trying
from tests.conftest import running_app
from tests.make import sign_in


def test_the_process_says_that_it_lives(client: FlaskClient) -> None:
    assert client.get("/healthz").status_code == 200


def test_ready_when_everything_behind_it_answers(client: FlaskClient) -> None:
    keep_trying()
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.get_json() == {
        "status": "ok", "failing": [], "meanwhile": {},
        "parts": {"database": True, "portal database": True, "redis": True, "storage": True},
    }


def test_what_is_away_is_named_and_nothing_more_and_the_rest_is_served(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = replace(
        app.config["SETTINGS"], redis_url="redis://:hidden@127.0.0.1:1/0",
        database_portal_url="postgresql+psycopg://portal:hidden@127.0.0.1:1/x",
    )
    monkeypatch.setitem(app.config, "SETTINGS", broken)
    answer = client.get("/readyz")
    assert answer.status_code == 200
    told = answer.get_json()
    assert told["status"] == "degraded" and set(told["failing"]) == {"redis", "portal database"}
    assert set(told["meanwhile"]) == set(told["failing"])
    assert told["parts"]["storage"] is None
    assert b"hidden" not in answer.data


def test_without_the_database_nothing_useful_can_be_served(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = replace(app.config["SETTINGS"], database_app_url="postgresql+psycopg://app:hidden@127.0.0.1:1/x")
    monkeypatch.setitem(app.config, "SETTINGS", broken)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.get_json()["failing"] == ["database"]
    assert b"hidden" not in answer.data


def test_pages_are_served_and_changes_saved_while_redis_is_away(app: Flask, cast: Any, client: FlaskClient) -> None:
    sign_in(client, cast.mel)
    kept, inline = app.extensions["redis"], app.config["QUEUE_INLINE"]
    app.extensions["redis"] = redis.Redis.from_url("redis://127.0.0.1:1/0", socket_connect_timeout=1)
    app.config["QUEUE_INLINE"] = None
    try:
        for page in ("/", "/clients", f"/clients/{cast.acme.id}"):
            assert client.get(page, follow_redirects=True).status_code == 200
        said = client.post(f"/comments/client/{cast.acme.id}", data={"id": str(new_id()), "body": "Call them"})
        assert said.status_code == 303
    finally:
        app.extensions["redis"].close()
        app.extensions["redis"], app.config["QUEUE_INLINE"] = kept, inline


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


def test_metrics_are_told_to_whoever_shows_the_token_and_not_there_without(app: Flask, database: Settings) -> None:
    assert app.test_client().get("/metrics").status_code == 404
    for measured in running_app(replace(database, metrics_token="a token")):
        asked = measured.test_client()
        assert [asked.get(page).status_code for page in ("/healthz", "/healthz", "/portal/nowhere")] == [200, 200, 404]
        assert asked.get("/metrics").status_code == 401
        assert asked.get("/metrics", headers={"Authorization": "Bearer another"}).status_code == 401
        asked.open("/healthz", method="FORGED")
        answer = asked.get("/metrics", headers={"Authorization": "Bearer a token"})
        assert 'method="other"' in answer.text and "FORGED" not in answer.text, "no stranger's word becomes a series"
        lines = answer.text.splitlines()
        assert 'firmament_requests_total{method="GET",route="/healthz",status="200"} 2.0' in lines
        assert 'firmament_request_seconds_count{door="portal"} 1.0' in lines
        assert 'firmament_part_up{part="database"} 1.0' in lines
        assert 'firmament_queue_waiting{queue="now"} 0.0' in lines
