"""The product as it is served, with a counter of its queries and the two floors: views as bare as Flask has them."""

from __future__ import annotations

import os
from typing import Any

import sqlalchemy as sa
from flask import Flask, Response, g, has_request_context, render_template, request
from jinja2 import ChoiceLoader, DictLoader
from sqlalchemy import event

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


def add_floors(flask: Flask) -> None:
    """Read: one query, a table of 50 rows. Write: one row inserted and committed, one fragment. No guard, no layout."""
    loader = DictLoader({"floor/table.html": TABLE, "floor/fragment.html": FRAGMENT})
    flask.jinja_env.loader = ChoiceLoader(list(filter(None, [loader, flask.jinja_env.loader])))
    rows = sa.text("SELECT id, code, name, email, phone, currency FROM client ORDER BY sort_key, id LIMIT 50")
    insert = sa.text("INSERT INTO bench_floor (id, words, at) VALUES (:id, :words, now())")

    @flask.get("/floor/read")
    def read_floor() -> str:
        return render_template("floor/table.html", rows=db.session.execute(rows).all())

    @flask.post("/floor/write")
    def write_floor() -> str:
        row = {"id": new_id(), "words": request.form["words"]}
        db.session.execute(insert, row)
        db.session.commit()
        return render_template("floor/fragment.html", **row)

    flask.extensions["csrf"].exempt(write_floor)


def make_app() -> Flask:
    flask = product(Settings.from_environment())
    add_floors(flask)
    return flask


if os.environ.get("FIRMAMENT_BENCH_SERVER"):
    app = make_app()
