"""Whether this process lives, and whether everything behind it answers."""

from __future__ import annotations

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
from app.core.probing import last_result

SECONDS = 2
DATABASE, PORTAL, REDIS, STORAGE = "database", "portal database", "redis", "storage"
# What still works while one of them is away.
MEANWHILE = {
    DATABASE: "Nothing works without it.",
    PORTAL: "The firm's own pages work; clients cannot use the portal.",
    REDIS: "Pages work and everything is saved. Mails, checks of files, PDFs and live pages wait until it is back.",
    STORAGE: "Everything works but sending, opening and checking files; PDFs of bills are made when it is back.",
}
blueprint = Blueprint("health", __name__)


@dataclass(frozen=True)
class Finding:
    """One thing that we need: whether it answers (None: not known), and if not, why."""

    name: str
    ok: bool | None
    reason: str = ""


def probe_database(url: str) -> None:
    plain = url.replace("postgresql+psycopg://", "postgresql://", 1)
    limit = f"-c statement_timeout={SECONDS}s"
    with psycopg.connect(plain, connect_timeout=SECONDS, options=limit) as connection:
        connection.execute("SELECT 1")


def probe_redis(url: str) -> Finding:
    """What it keeps of storage."""
    with redis.Redis.from_url(url, socket_timeout=SECONDS, socket_connect_timeout=SECONDS) as client:
        client.ping()
        return Finding(STORAGE, *last_result(client))


def probe_smtp(url: str) -> None:
    parts = urlsplit(url)
    kind = smtplib.SMTP_SSL if parts.scheme == "smtps" else smtplib.SMTP
    with kind(parts.hostname or "", parts.port or 25, timeout=SECONDS) as talk:
        talk.noop()


def look(settings: Settings) -> list[Finding]:
    """Ask the database and Redis, all at once; what storage did when it was last tried is kept in Redis."""
    kept: list[Finding] = []
    probes: dict[str, Callable[[], None]] = {
        DATABASE: lambda: probe_database(settings.database_app_url or settings.database_url),
        REDIS: lambda: kept.append(probe_redis(settings.redis_url)),
    }
    if settings.database_portal_url:
        probes[PORTAL] = lambda: probe_database(settings.database_portal_url)
    pool = ThreadPoolExecutor(max_workers=len(probes))
    waiting = {name: pool.submit(probe) for name, probe in probes.items()}
    found = [_finding(name, answer) for name, answer in waiting.items()]
    pool.shutdown(wait=False)
    return found + (kept or [Finding(STORAGE, None, "what it did last is kept in redis")])


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
    """503 only when nothing useful can be served; else what fails, and what works meanwhile. Reasons: in the log."""
    findings = look(current_app.config["SETTINGS"])
    for finding in findings:
        if not finding.ok:
            current_app.logger.warning("not ready: %s: %s", finding.name, finding.reason)
    failing = [finding.name for finding in findings if finding.ok is False]
    status = "failing" if DATABASE in failing else "degraded" if failing else "ok"
    body = jsonify(
        status=status, failing=failing, parts={finding.name: finding.ok for finding in findings},
        meanwhile={name: MEANWHILE[name] for name in failing},
    )
    return body, 503 if status == "failing" else 200


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)
