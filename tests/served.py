"""The product answering in this process, with its worker, for a browser that a test drives."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from flask import Flask
from werkzeug.serving import make_server

from app.config import Settings
from app.core.backing.processes import free_ports
from app.core.backing.provision import make_bucket
from app.core.db import db
from app.core.queue import perform

PHONE = {"width": 390, "height": 844}


def made_for(settings: Settings) -> tuple[Flask, Settings]:
    """The application on a free port; what it would send to the queue waits for `serving`."""
    from app.factory import create_app

    (port,) = free_ports(1)
    # A bucket lets pages of one address send to it: this one is its own, so that others keep theirs.
    bucket = f"{settings.s3_bucket}-served"
    settings = replace(settings, port=port, public_url=f"http://localhost:{port}", s3_bucket=bucket)
    make_bucket(settings)
    app = create_app(settings)
    app.config["QUEUE_INLINE"] = []
    return app, settings


@contextmanager
def serving(app: Flask, port: int) -> Iterator[None]:
    """Web and worker, until the block ends."""
    server = make_server("127.0.0.1", port, app, threaded=True)
    server.daemon_threads = False  # type: ignore[attr-defined]
    stop = threading.Event()
    threads = [threading.Thread(target=server.serve_forever), threading.Thread(target=lambda: _work(app, stop))]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        server.shutdown()
        server.server_close()
        for thread in threads:
            thread.join()
        with app.app_context():
            db.session.remove()
            for engine in db.engines.values():
                engine.dispose()
        app.extensions["redis"].close()


def _work(app: Flask, stop: threading.Event) -> None:
    queue: list[tuple[str, dict[str, Any]]] = app.config["QUEUE_INLINE"]
    while not stop.wait(0.05):
        while queue:
            name, payload = queue.pop(0)
            with app.app_context():
                perform(name, payload)
