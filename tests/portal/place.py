"""A running portal with one request sent to Cleo, and browsers that come to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from app.config import Settings
from app.core.actors import SYSTEM
from app.core.db import db
from app.requests.commands.writing import ItemSpec
from app.requests.models import ItemKind, RequestItem, RequestState
from app.requests.queries import get_request
from tests.make import make_cast
from tests.requests.make_requests import NOTES, STATEMENTS, TURNOVER, link_in, mails, make_request
from tests.served import PHONE, made_for, serving

CAR = ItemSpec(ItemKind.YES_NO, "Did you buy a car?", code="car")


@dataclass
class Place:
    """A running portal with one request sent to Cleo."""

    app: Flask
    url: str
    link: str
    request_id: Any

    def state(self) -> RequestState:
        with self.app.app_context():
            return get_request(self.request_id, seen_by=SYSTEM).state

    def item(self, code: str) -> RequestItem:
        with self.app.app_context():
            return next(i for i in get_request(self.request_id, seen_by=SYSTEM).items if i.code == code)


@pytest.fixture
def place(real_database: Settings) -> Iterator[Place]:
    app, settings = made_for(real_database)
    with app.app_context():
        cast = make_cast()
        db.session.commit()
        request = make_request(cast, items=(STATEMENTS, TURNOVER, CAR, NOTES))
        link, request_id = link_in(mails("requests.request")[0]), request.id
        db.session.commit()
    with serving(app, settings.port):
        yield Place(app, settings.public_url, settings.public_url + link, request_id)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def opened(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    made: list[BrowserContext] = []

    def open_context(**values: Any) -> BrowserContext:
        made.append(browser.new_context(viewport=PHONE, **values))
        return made[-1]

    yield open_context
    for context in made:
        context.close()


def come_in(page: Page, place: Place) -> None:
    page.goto(place.link)
    page.get_by_role("button", name="Show what is needed").click()
    expect(page.get_by_role("heading", name="VAT return Q3")).to_be_visible()
