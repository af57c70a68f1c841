"""The product as gunicorn serves it, with one list that breaks in the middle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from flask import Blueprint

from app.config import Settings
from app.core.db import db
from app.core.web import Answer, arg, me
from app.desk.guard import guard
from app.factory import create_app
from app.firm.exports import hand_out

blueprint = guard(Blueprint("breaking", __name__))


@blueprint.get("/breaking.csv")
def show() -> Answer:
    """Rows from the database; the one that `at` names cannot be read."""
    at = int(arg("at"))

    def rows() -> Iterator[list[Any]]:
        numbers = sa.text("SELECT n, 1 / (n - :at), repeat('x', 80) FROM generate_series(1, 5000) n")
        for row in db.session.execute(numbers.execution_options(yield_per=100), {"at": at}):
            yield list(row)

    return hand_out("breaking", "breaking.csv", ["Number", "Share", "Words"], rows, by=me())


app = create_app(Settings.from_environment())
app.register_blueprint(blueprint)
