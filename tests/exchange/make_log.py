"""A sealed log of a few events, and storage in which no other test has left anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from flask import Flask

from app.activity.commands import record, seal_events
from app.core.actors import SYSTEM
from app.core.db import transaction
from tests.make import Cast
from tests.plumbing import empty_bucket


@contextmanager
def empty_storage(app: Flask) -> Iterator[None]:
    """The app with a bucket of its own, empty before and after."""
    from app.core.backing.provision import make_bucket

    before = app.config["SETTINGS"]
    settings = replace(before, s3_bucket=f"{before.s3_bucket}-anchors")
    make_bucket(settings)
    empty_bucket(settings)
    app.config["SETTINGS"] = settings
    kept = app.extensions.pop("storage", None)
    try:
        yield
    finally:
        empty_bucket(settings)
        app.config["SETTINGS"] = before
        app.extensions.pop("storage", None)
        if kept is not None:
            app.extensions["storage"] = kept


def happen(cast: Cast, times: int = 3) -> None:
    for n in range(times):
        with transaction():
            record("clients.client.update", cast.acme, by=SYSTEM, name="Acme", n=n)
    seal_events()
