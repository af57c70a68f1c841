"""The product as it is served, with a counter of its queries, and beside it the two floors as plain as Flask can be."""

from __future__ import annotations

import os
from typing import Any

import sqlalchemy as sa
from flask import Flask, Response, g, has_request_context, render_template, request
from jinja2 import DictLoader
from sqlalchemy import event
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from app.config import Settings
from app.core.db import db
from app.core.ids import new_id
from app.factory import create_app

NOT_COUNTED = ("SAVEPOINT", "RELEASE", "ROLLBACK", "RESET", "SET ")
COUNT = "X-Bench-Queries"
TABLE = """<!doctype html><html lang="en"><head><title>Floor</title></head><body><table>
{% for row in rows %}<tr><td>{{ row.code }}</td><td><a href="/x/{{ row.id }}">{{ row.name }}</a></td>
<td>{{ row.email }}</td><td>{{ row.phone }}</td><td>{{ row.currency }}</td></tr>
{% endfor %}</table></body></html>"""
FRAGMENT = '<li id="floor-{{ id }}"><strong>{{ words }}</strong> <span>saved</span></li>'
FLOOR_TABLE = "CREATE TABLE bench_floor (id uuid PRIMARY KEY, words text NOT NULL, at timestamptz NOT NULL)"


def product(settings: Settings) -> Flask:
    """create_app() with each answer telling how many queries it took."""
    flask = create_app(settings)

    def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if has_request_context() and not statement.startswith(NOT_COUNTED):
            g.bench_queries = g.get("bench_queries", 0) + 1

    with flask.app_context():
        for engine in db.engines.values():
            event.listen(engine, "before_cursor_execute", count)

    def tell(response: Response) -> Response:
        response.headers[COUNT] = str(g.get("bench_queries", 0))
        return response

    flask.after_request(tell)
    return flask


def floors(settings: Settings) -> Flask:
    """Read: one query, a table of 50 rows. Write: one row inserted and committed, one fragment."""
    plain = Flask("floors")
    plain.jinja_loader = DictLoader({"table.html": TABLE, "fragment.html": FRAGMENT})
    engine = sa.create_engine(settings.database_app_url or settings.database_url, pool_size=10)
    rows = sa.text("SELECT id, code, name, email, phone, currency FROM client ORDER BY sort_key, id LIMIT 50")
    insert = sa.text("INSERT INTO bench_floor (id, words, at) VALUES (:id, :words, now())")

    @plain.get("/read")
    def read() -> str:
        with engine.connect() as connection:
            return render_template("table.html", rows=connection.execute(rows).all())

    @plain.post("/write")
    def write() -> str:
        row = {"id": new_id(), "words": request.form["words"]}
        with engine.begin() as connection:
            connection.execute(insert, row)
        return render_template("fragment.html", **row)

    return plain


def make_app() -> Any:
    settings = Settings.from_environment()
    return DispatcherMiddleware(product(settings), {"/floor": floors(settings)})


if os.environ.get("FIRMAMENT_BENCH_SERVER"):
    app = make_app()
