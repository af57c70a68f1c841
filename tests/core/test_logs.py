"""The log says what broke, never what somebody typed."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from app.core import logs


@pytest.fixture(params=["json", "text"])
def written(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """What is logged in this format while the test runs."""
    root = logging.getLogger()
    handlers, level, before = root.handlers[:], root.level, structlog.get_config()
    logs.configure(request.param)
    stream = io.StringIO()
    root.handlers[0].setStream(stream)  # type: ignore[attr-defined]
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**before)


def test_a_traceback_tells_where_it_broke_and_no_value_of_a_variable(written: io.StringIO) -> None:
    def signs_in(password: str) -> None:
        raise RuntimeError("The database has gone.")

    typed = " ".join(("correct", "horse", "battery"))
    try:
        signs_in(typed)
    except RuntimeError:
        structlog.get_logger("broken").exception("request.broken", path="/sign-in")
    told = written.getvalue()
    assert "The database has gone." in told and "signs_in" in told
    assert typed not in told
    if told.startswith("{"):
        assert json.loads(told)["event"] == "request.broken"
