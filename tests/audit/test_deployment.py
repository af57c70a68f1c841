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

import pytest
from playwright.sync_api import Browser

from app.core.backing.processes import LOOPBACK, wait_for
from tests.audit.deployment import ROOT, Deployment, deployed
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


def test_the_main_job_goes_through_the_deployment(
    house: Deployment, browser: Browser, desk: Callable[..., Desk]
) -> None:
    main_job.do_the_main_job(house, desk)  # type: ignore[arg-type]
    assert wait_for(lambda: _storage_was_tried(house), 90), "the sweep says that storage works"


def _storage_was_tried(house: Deployment) -> bool:
    told = json.loads(house.ask("/readyz").body)
    return bool(told["status"] == "ok" and told["parts"]["storage"])
