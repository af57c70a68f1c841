"""What deploy/ ships, as an operator brings it up: it bears slow clients, and the main job goes through it."""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import boto3
import psycopg
import pytest
from botocore.config import Config
from playwright.sync_api import Browser

from app.core.backing.processes import LOOPBACK, wait_for
from tests.audit.deployment import ROOT, Deployment, deployed, read_units
from tests.journeys import test_main_job as main_job
from tests.journeys.test_main_job import Desk

pytestmark = [pytest.mark.audit, pytest.mark.timeout(900)]
browser, desk = main_job.browser, main_job.desk
HALF_A_HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: a"
HALF_A_BODY = b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\nemail=pat"


@pytest.fixture(scope="module")
def house() -> Iterator[Deployment]:
    with deployed(Path(os.environ.get("FIRMAMENT_VAR", ROOT / "var")).resolve() / "audit") as house:
        yield house


def test_check_finds_everything_as_it_must_be(house: Deployment) -> None:
    done = house.command("check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok    storage" in done.stdout and "FAILS" not in done.stdout


def test_half_sent_requests_and_connections_in_reserve_keep_nobody_waiting(house: Deployment) -> None:
    trust = ssl.create_default_context(cafile=str(house.home / "tls.pem"))
    with ExitStack() as stack:
        for begun in (HALF_A_HEAD, HALF_A_BODY, b""):
            for _ in range(20 if begun else 16):
                wire = stack.enter_context(socket.create_connection((LOOPBACK, house.port), timeout=5))
                if begun:
                    wire = stack.enter_context(trust.wrap_socket(wire, server_hostname="localhost"))
                    wire.sendall(begun)
        started = time.monotonic()
        assert [house.ask(path).status for path in ("/healthz", "/sign-in")] == [200, 200]
        assert time.monotonic() - started < 3


def test_every_answer_says_once_that_its_type_is_not_to_be_guessed(house: Deployment) -> None:
    asked = [house.ask(path) for path in ("/healthz", "/nowhere", "/sign-in")]
    page = asked[-1].body
    asset = page.split('href="/static/')[1].split('"')[0]
    asked += [house.ask(f"/static/{asset}"), house.ask("/", port=house.files_port)]
    assert all(headers.get("X-Content-Type-Options") == "nosniff" for _status, headers, _body in asked), asked
    assert all(headers.get("Strict-Transport-Security") for _status, headers, _body in asked[:-1])
    assert "sandbox" in asked[-1].headers["Content-Security-Policy"]


def test_metrics_of_all_processes_are_one(house: Deployment) -> None:
    """The audit has two web processes; whichever is asked tells what both have answered."""
    def counted() -> float:
        told = house.ask("/metrics", token=house.environment["METRICS_TOKEN"]).body
        found = re.search(r'firmament_requests_total{[^}]*route="/healthz",status="200"} (\S+)', told)
        return float(found[1]) if found else 0

    before = counted()
    for _ in range(12):
        house.ask("/healthz")
    assert {counted() - before for _ in range(6)} == {12}
    assert house.ask("/metrics").status == 401


def test_storage_takes_through_its_door_only_what_browsers_do(house: Deployment) -> None:
    assert house.ask("/firmament/kept/x", "DELETE", house.files_port).status == 403
    assert house.ask("/firmament/kept/x", "DELETE", house.caddy_files_port).status == 405


def test_caddy_serves_pages_streams_and_files_as_nginx_does(house: Deployment) -> None:
    pages, files = house.caddy_port, house.caddy_files_port
    asked = [house.ask(path, port=pages) for path in ("/healthz", "/sign-in", "/nowhere")]
    assert [answer.status for answer in asked] == [200, 200, 404]
    assert all(answer.headers.get("X-Content-Type-Options") == "nosniff" for answer in asked)
    assert house.ask("/live?topics=", port=pages).status == 401, "the live process answers, not the pages'"
    trust = ssl.create_default_context(cafile=str(house.home / "tls.pem"))
    with (
        socket.create_connection((LOOPBACK, pages), timeout=20) as wire,
        trust.wrap_socket(wire, server_hostname="localhost") as sent,
    ):
        sent.sendall(b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 27000000\r\n\r\n")
        assert sent.recv(12) == b"HTTP/1.1 413", "said before it is sent"
    signer = boto3.client(
        "s3", endpoint_url=f"https://localhost:{files}", region_name="us-east-1",
        aws_access_key_id=house.environment["S3_ACCESS_KEY"],
        aws_secret_access_key=house.environment["S3_SECRET_KEY"],
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )
    place = {"Bucket": house.environment["S3_BUCKET"], "Key": "trials/through-caddy"}
    for method, body in (("put_object", b"a file"), ("get_object", None)):
        path = signer.generate_presigned_url(method, Params=place).removeprefix(f"https://localhost:{files}")
        answer = house.ask(path, "PUT" if body else "GET", port=files, body=body)
        assert answer.status == 200, answer
        assert body or answer.body == "a file" and "sandbox" in answer.headers["Content-Security-Policy"]


def test_systemd_finds_nothing_wrong_with_the_units(house: Deployment) -> None:
    assert read_units(house.home) == ""


def test_the_main_job_goes_through_the_deployment(
    house: Deployment, browser: Browser, desk: Callable[..., Desk]
) -> None:
    main_job.do_the_main_job(house, desk)  # type: ignore[arg-type]
    assert wait_for(lambda: _storage_was_tried(house), 90), "the sweep says that storage works"


def test_going_back_over_a_change_of_the_schema_loses_nothing_of_the_backup(house: Deployment) -> None:
    """As docs/upgrade.md says: a backup of before, restored into an empty database and an empty bucket."""
    file, before = house.home / "firm-before.zip", house.home / "before.env"
    assert house.command("backup", str(file)).returncode == 0
    urls = ("DATABASE_URL", "DATABASE_APP_URL", "DATABASE_PORTAL_URL")
    again = {name: f"{house.environment[name]}_again" for name in urls} | {"S3_BUCKET": "firmament-again"}
    said = ""
    for words in (["provision", "--env-file", str(before)], ["migrate"], ["restore", str(file)], ["verify"]):
        done = house.command(*words, **again, **(house.admin if words[0] == "provision" else {}))
        said = done.stdout + done.stderr
        assert done.returncode == 0, f"{words}: {said}"
    assert "Everything holds" in said
    counts = []
    for url in (house.environment["DATABASE_URL"], again["DATABASE_URL"]):
        with psycopg.connect(url) as connection:
            counts.append(connection.execute(
                "SELECT (SELECT count(*) FROM event), (SELECT count(*) FROM posting), (SELECT count(*) FROM document)"
            ).fetchone())
    assert counts[0] == counts[1] and counts[0] and min(counts[0]) > 0


def _storage_was_tried(house: Deployment) -> bool:
    told = json.loads(house.ask("/readyz").body)
    return bool(told["status"] == "ok" and told["parts"]["storage"])
