"""Structured logs: one line a request, with its id; ids of people, never their names."""

from __future__ import annotations

import logging
import re
import sys
import time
from typing import Any

import structlog
from flask import Flask, Response, g, request

from app.core.ids import new_id

ACCEPTED_ID = re.compile(r"[A-Za-z0-9._-]{8,80}")
QUIET = ("/healthz", "/readyz", "/metrics", "/static")
# Without the values of variables: a password that was just typed is one of them.
_TRACEBACKS = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))
log = structlog.get_logger("request")


def configure(log_format: str) -> None:
    """Send our records and everybody else's through the same end, as JSON or as readable text."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level, *shared, structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(), wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    as_json = log_format == "json"
    last: list[Any] = (
        [_TRACEBACKS, structlog.processors.JSONRenderer()] if as_json
        else [structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )]
    )
    handler = logging.StreamHandler()
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    ))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for name in ("botocore", "boto3", "urllib3", "s3transfer", "rq", "PIL"):
        logging.getLogger(name).setLevel(logging.WARNING)


def init_app(app: Flask) -> None:
    settings = app.config["SETTINGS"]
    if not settings.testing:
        configure(settings.log_format)
    app.before_request(_begin)
    app.after_request(_end)


def _begin() -> None:
    sent = request.headers.get("X-Request-ID", "")
    g.request_id = sent if ACCEPTED_ID.fullmatch(sent) else str(new_id())
    g.request_began = time.perf_counter()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _end(response: Response) -> Response:
    """The rule, not the address: an address may carry a sign-in link's secret."""
    response.headers["X-Request-ID"] = g.get("request_id", "")
    if not request.path.startswith(QUIET):
        rule = request.url_rule.rule if request.url_rule else "unknown"
        actor = g.get("actor")
        log.info(
            "request", method=request.method, route=rule, status=response.status_code,
            ms=round((time.perf_counter() - g.get("request_began", time.perf_counter())) * 1000, 1),
            actor=str(getattr(actor, "id", "") or "") or None,
        )
    return response
