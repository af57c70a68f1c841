"""The web server as production runs it: gunicorn with the product's own configuration."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from flask import Flask

from app.config import Settings
from app.core.backing.processes import die_with_parent, is_free

ROOT = Path(__file__).parents[2]


@contextmanager
def serving(
    settings: Settings, port: int, application: str = "tests.bench.app:app", *words: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Gunicorn on this port until the block ends."""
    if not is_free(port):
        raise RuntimeError(f"Port {port} is taken. Choose others: BENCH_PORT=9170.")
    settings = replace(settings, port=port, public_url=f"http://localhost:{port}")
    environment = {
        **os.environ, **settings.to_environment(), "FIRMAMENT_BENCH_SERVER": "1", "PYTHONUNBUFFERED": "1",
        "LOG_FORMAT": "json",
    }
    log = (settings.var / f"web-{port}.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "-c", str(ROOT / "gunicorn.conf.py"), *words, application],
        cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        preexec_fn=die_with_parent(signal.SIGTERM),
    )
    try:
        _wait(port, process, settings.var / f"web-{port}.log")
        yield process
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        log.close()


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"The web server ended while starting; see {log}.")
        with (
            contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2)
        ):
            return
        time.sleep(0.1)
    raise RuntimeError(f"The web server does not answer; see {log}.")


@contextmanager
def app_for(settings: Settings) -> Iterator[Flask]:
    """The application in this process, in its context; what it would send to the queue is only noted."""
    from app.core.db import db
    from app.factory import create_app

    app = create_app(settings)
    app.config["QUEUE_INLINE"] = []
    with app.app_context():
        try:
            yield app
        finally:
            db.session.remove()
            for engine in db.engines.values():
                engine.dispose()
            app.extensions["redis"].close()
