"""Whether this process lives, and whether everything behind it answers."""

from __future__ import annotations

import http.client
import smtplib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooSlow
from dataclasses import dataclass
from urllib.parse import urlsplit

import psycopg
import redis
from flask import Blueprint, Flask, Response, current_app, jsonify

from app.config import Settings

SECONDS = 2
blueprint = Blueprint("health", __name__)


@dataclass(frozen=True)
class Finding:
    """One thing that we need: whether it answers, and if not, why."""

    name: str
    ok: bool
    reason: str = ""


def probe_database(url: str) -> None:
    plain = url.replace("postgresql+psycopg://", "postgresql://", 1)
    limit = f"-c statement_timeout={SECONDS}s"
    with psycopg.connect(plain, connect_timeout=SECONDS, options=limit) as connection:
        connection.execute("SELECT 1")


def probe_redis(url: str) -> None:
    with redis.Redis.from_url(url, socket_timeout=SECONDS, socket_connect_timeout=SECONDS) as client:
        client.ping()


def probe_s3(url: str) -> None:
    """Any answer below 500 will do: an unsigned request is rightly refused."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    talk = kind(parts.hostname or "", parts.port, timeout=SECONDS)
    try:
        talk.request("GET", "/")
        status = talk.getresponse().status
    finally:
        talk.close()
    if status >= 500:
        raise OSError(f"it answers {status}")


def probe_smtp(url: str) -> None:
    parts = urlsplit(url)
    kind = smtplib.SMTP_SSL if parts.scheme == "smtps" else smtplib.SMTP
    with kind(parts.hostname or "", parts.port or 25, timeout=SECONDS) as talk:
        talk.noop()


def look(settings: Settings) -> list[Finding]:
    """Ask everything that a request needs, all at once."""
    probes: dict[str, Callable[[], None]] = {
        "database": lambda: probe_database(settings.database_app_url or settings.database_url),
        "redis": lambda: probe_redis(settings.redis_url),
        "s3": lambda: probe_s3(settings.s3_endpoint_url),
    }
    if settings.database_portal_url:
        probes["portal database"] = lambda: probe_database(settings.database_portal_url)
    pool = ThreadPoolExecutor(max_workers=len(probes))
    waiting = {name: pool.submit(probe) for name, probe in probes.items()}
    found = [_finding(name, answer) for name, answer in waiting.items()]
    pool.shutdown(wait=False)
    return found


def _finding(name: str, answer: Future[None]) -> Finding:
    try:
        answer.result(SECONDS + 1)
    except TooSlow:
        return Finding(name, False, f"no answer within {SECONDS} s")
    except Exception as error:
        return Finding(name, False, f"{type(error).__name__}: {error}".splitlines()[0])
    return Finding(name, True)


@blueprint.get("/healthz")
def healthz() -> Response:
    return jsonify(status="ok")


@blueprint.get("/readyz")
def readyz() -> tuple[Response, int]:
    """200 when all answers; else 503 with the names of what does not. Reasons go to the log only."""
    findings = look(current_app.config["SETTINGS"])
    for finding in findings:
        if not finding.ok:
            current_app.logger.warning("not ready: %s: %s", finding.name, finding.reason)
    failing = [finding.name for finding in findings if not finding.ok]
    parts = {finding.name: finding.ok for finding in findings}
    body = jsonify(status="failing" if failing else "ok", parts=parts, failing=failing)
    return body, 503 if failing else 200


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)
