"""Redis as whoever serves pages asks it: seconds at most, few at once, and nobody while it does not answer.

What asks is prepared for a `redis.RedisError`: the queue and the live pages are hints. A worker waits longer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from flask import Flask
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.retry import Retry

from app.core.gate import Gate, Shut

CONNECT_SECONDS, ANSWER_SECONDS, FAILURES = 1, 2, 2
NOWHERE = "redis://127.0.0.1:1/0"


class _Unanswered(Exception):
    """There was no answer."""


@contextmanager
def _through(gate: Gate) -> Iterator[None]:
    try:
        with gate.passage(_Unanswered):
            try:
                yield
            except (redis.ConnectionError, redis.TimeoutError) as error:
                raise _Unanswered from error
    except _Unanswered as error:
        assert error.__cause__ is not None
        raise error.__cause__ from None
    except Shut as error:
        raise redis.ConnectionError(str(error)) from error


class GatedPipeline(Pipeline):
    """Several commands that go through the gate as one."""

    gate: Gate

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        with _through(self.gate):
            return super().execute(raise_on_error)


class GatedRedis(redis.Redis):
    """A client whose every call goes through one gate."""

    gate: Gate

    def execute_command(self, *args: Any, **options: Any) -> Any:
        with _through(self.gate):
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> GatedPipeline:
        made = GatedPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)
        made.gate = self.gate
        return made


def _address(app: Flask) -> str:
    return app.config["SETTINGS"].redis_url or NOWHERE


def init_app(app: Flask) -> None:
    """For whoever serves pages: a quarter of their threads at most wait for it. A connection that Redis has closed
    meanwhile is opened again, once; silence is not waited for twice."""
    client: Any = GatedRedis.from_url(
        _address(app), socket_connect_timeout=CONNECT_SECONDS, socket_timeout=ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
    )
    client.gate = Gate(max(1, app.config["SETTINGS"].web_threads // 4), failures=FAILURES)
    app.extensions["redis"] = client


def wait_long(app: Flask) -> None:
    app.extensions["redis"].close()
    app.extensions["redis"] = redis.Redis.from_url(_address(app), socket_timeout=10, socket_connect_timeout=2)
