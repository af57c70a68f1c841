"""No form tokens in these tests, but in the one that is about them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from tests.portal.place import browser, opened, place  # noqa: F401


@pytest.fixture(autouse=True)
def no_csrf(app: Flask) -> Iterator[None]:
    kept = app.config.get("WTF_CSRF_ENABLED", True)
    app.config["WTF_CSRF_ENABLED"] = False
    yield
    app.config["WTF_CSRF_ENABLED"] = kept
