"""How gunicorn serves the product: each request read whole before a thread takes it, logs on standard error."""

import logging
import os
import shutil
from typing import Any

from app.config import Settings

settings = Settings.from_environment()

bind = f"{settings.host}:{settings.port}"
worker_class = "app.core.serving.BufferedWorker"
workers = settings.web_workers
threads = settings.web_threads
worker_connections = 2000
timeout = 120
graceful_timeout = 5
max_requests = 0
accesslog = None
loglevel = "warning"
control_socket_disable = True
preload_app = True
forwarded_allow_ips = "*" if settings.trusted_proxies else "127.0.0.1,::1"

if settings.metrics_token and __name__ != "live":
    # Each process counts into files of its own, from nothing with each start; set before the library is imported.
    _counts = settings.var / "metrics" / str(settings.port)
    shutil.rmtree(_counts, ignore_errors=True)
    _counts.mkdir(parents=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(_counts)


def child_exit(server: Any, worker: Any) -> None:
    """What a process that has ended had open counts no more."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(worker.pid)


def post_fork(server: Any, worker: Any) -> None:
    """The application was made once, before the fork: no process may speak on another's connections."""
    from app.core.db import db

    application = getattr(server.app, "callable", None)
    if hasattr(application, "app_context"):
        with application.app_context():
            for engine in db.engines.values():
                engine.dispose(close=False)


def post_worker_init(worker: Any) -> None:
    """The application's own log takes gunicorn's records too."""
    for name in ("gunicorn.error", "gunicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
