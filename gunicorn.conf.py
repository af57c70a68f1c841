"""How gunicorn serves the product: each request read whole before a thread takes it, logs on standard error."""

import logging
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
