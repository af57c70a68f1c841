"""What a Prometheus reads at `/metrics` who shows METRICS_TOKEN; where none is set nothing is counted or told."""

from __future__ import annotations

import hmac
import os
import time
from collections.abc import Iterator

from flask import Flask, Response, abort, current_app, g, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector

from app.core.health import REDIS, blueprint, look
from app.core.queue import QUEUES, rq_queue

SECONDS = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Meter:
    """What each request adds to. Each of several processes counts into its own files; whoever is asked adds them up."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "firmament_requests", "Requests answered.", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "firmament_request_seconds", "How long requests took, by door.", ["door"], registry=self.registry,
            buckets=SECONDS,
        )

    def note(self, response: Response) -> Response:
        route = request.url_rule.rule if request.url_rule else "unknown"
        method = request.method if request.method in METHODS else "other"  # each other word would be kept for ever
        self.requests.labels(method, route, response.status_code).inc()
        door = "portal" if request.path.startswith("/portal") else "firm"
        self.seconds.labels(door).observe(time.perf_counter() - g.get("request_began", time.perf_counter()))
        return response

    def text(self) -> bytes:
        registry = self.registry
        if FOLDER in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry) + generate_latest(_House())


class _House:
    """What is asked when it is told: the parts behind us, and what waits for a worker."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        up = GaugeMetricFamily("firmament_part_up", "Whether it answers; absent where not known.", labels=["part"])
        redis_is_up = False
        for finding in look(current_app.config["SETTINGS"]):
            if finding.ok is not None:
                up.add_metric([finding.name], float(finding.ok))
            redis_is_up = redis_is_up or (finding.name == REDIS and bool(finding.ok))
        yield up
        if redis_is_up:
            waiting = GaugeMetricFamily("firmament_queue_waiting", "Work that waits in a queue.", labels=["queue"])
            for name in QUEUES:
                waiting.add_metric([name], rq_queue(name).count)
            yield waiting


@blueprint.get("/metrics")
def metrics() -> Response:
    token = str(current_app.config["SETTINGS"].metrics_token)
    if not token:
        abort(404)
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if not hmac.compare_digest(given.encode(), token.encode()):
        abort(401)
    return Response(current_app.extensions["meter"].text(), content_type=CONTENT_TYPE_LATEST)


def init_app(app: Flask) -> None:
    if app.config["SETTINGS"].metrics_token:
        app.extensions["meter"] = Meter()
        app.after_request(app.extensions["meter"].note)
