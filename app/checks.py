"""`firmament check`: what answers, what does not, and the way to mend it."""

from __future__ import annotations

from collections.abc import Callable

import redis

from app.config import Settings
from app.core.backing import BackingFailed, missing, take_lease
from app.core.backing.processes import wait_for
from app.core.health import DATABASE, MEANWHILE, PORTAL, REDIS, SECONDS, STORAGE, Finding, look, probe_smtp
from app.core.probing import try_storage
from app.core.worker import unattended
from app.exchange.check import ANCHOR, FILES, evidence

MAIL, WORKERS = "mail", "workers"
STARTING = 15.0  # seconds
MEND = {
    DATABASE: "Is the server up, and is DATABASE_URL (and DATABASE_APP_URL) right?",
    PORTAL: "Is DATABASE_PORTAL_URL right? Its login must be another one than the app's.",
    REDIS: "Is the server up, and is REDIS_URL right?",
    STORAGE: (
        "Are S3_ENDPOINT_URL, S3_PUBLIC_URL, S3_BUCKET, S3_ACCESS_KEY and S3_SECRET_KEY right? "
        "`firmament provision` makes the bucket, and its CORS for PUBLIC_URL."
    ),
    MAIL: "Is the server up, and is SMTP_URL right (smtp://name:password@host:587)?",
    WORKERS: "Start `firmament worker` without naming queues: it takes from all of them.",
    FILES: "`firmament verify --objects all` names each; bring them back from a backup.",
    ANCHOR: "It is written once a day: do `firmament scheduler` and `firmament worker` run?",
}
LOGINS = "three database logins"
MEND[LOGINS] = (
    "Give DATABASE_URL, DATABASE_APP_URL and DATABASE_PORTAL_URL a login each, then unset ALLOW_SHARED_LOGIN."
)
SAYS_MEANWHILE = MEANWHILE | {MAIL: "Everything else works; mails wait, and go out when it is back."}
URLS = {"postgres": "DATABASE_URL", "valkey": "REDIS_URL", "s3": "S3_ENDPOINT_URL"}


def report(settings: Settings, *, say: Callable[[str], None]) -> int:
    """Print one line a part; the exit code is 0 when everything needed answers."""
    embedded = missing(settings)
    for name in embedded:
        say(f"  --    {name}: {URLS[name]} is not set, so the one from the Python wheel is used")
    try:
        lease, settings = take_lease(settings)
    except BackingFailed as error:
        say(f"FAILS   {error}")
        return 1
    try:
        findings = [finding for finding in look(settings) if finding.name != STORAGE]
        findings.append(_storage(settings))
        if settings.is_production and settings.shares_logins:
            findings.append(Finding(LOGINS, False, "ALLOW_SHARED_LOGIN lets two of them share one"))
        if settings.smtp_url:
            findings.append(_mail(settings.smtp_url))
        if not embedded and all(finding.ok for finding in findings if finding.name == REDIS):
            findings.append(_workers(settings.redis_url))
        if all(finding.ok for finding in findings if finding.name == DATABASE):
            findings += evidence(settings.database_url)
        for finding in findings:
            say(_line(finding))
        for note in _notes(settings):
            say(f"  note  {note}")
    finally:
        if lease is not None:
            lease.release(wait=True)
    return 0 if all(finding.ok for finding in findings) else 1


def _storage(settings: Settings) -> Finding:
    """Tried now, not as it was when the sweep last tried it."""
    reason = try_storage(settings)
    return Finding(STORAGE, not reason, reason)


def _mail(url: str) -> Finding:
    try:
        probe_smtp(url)
    except OSError as error:
        return Finding(MAIL, False, str(error))
    return Finding(MAIL, True)


def _workers(url: str) -> Finding:
    """Only what waits says that a worker is wanting. Those that are starting just now have a while to come."""
    with redis.Redis.from_url(url, socket_timeout=SECONDS, socket_connect_timeout=SECONDS) as store:
        wait_for(lambda: not unattended(store), STARTING)
        waiting = unattended(store)
    told = ", ".join(f"{name} ({count:,})" for name, count in waiting.items())
    return Finding(WORKERS, not waiting, f"work waits from which no worker takes: {told}")


def _line(finding: Finding) -> str:
    if finding.ok:
        return f"  ok    {finding.name}"
    lines = [f"FAILS   {finding.name}: {finding.reason}", MEND[finding.name]]
    if finding.name in SAYS_MEANWHILE:
        lines.append(f"Meanwhile: {SAYS_MEANWHILE[finding.name]}")
    return "\n        ".join(lines)


def _notes(settings: Settings) -> list[str]:
    notes = []
    if not settings.database_portal_url:
        notes.append(
            "DATABASE_PORTAL_URL is not set: portal requests switch to a role without login on the app's own "
            "connection. That guard is weaker than a login of its own; create one and set the URL."
        )
    if not settings.database_app_url:
        notes.append(
            "DATABASE_APP_URL is not set: the app connects as the owner of the tables, whom append-only "
            "privileges do not bind. Create a login of its own and set the URL."
        )
    if not settings.smtp_url:
        notes.append("SMTP_URL is not set: mail is kept as rendered and sent to nobody.")
    return notes
