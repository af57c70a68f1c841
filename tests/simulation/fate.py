"""What goes wrong in a run: the process killed, or its database connection cut, before any statement or commit."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from app.core.db import db

AFTER = "cut after the commit"


class Killed(BaseException):
    """The process is gone. No code catches it; whatever still runs on the way out meets it again."""


class Fate:
    """Counts down to the statement that is not carried out. `struck` says what was done to the work at hand."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.left = 0
        self.kind = ""
        self.dead = False
        self.struck = ""
        self.seen: Counter[str] = Counter()

    def prepare(self, chance: float) -> None:
        """For the next piece of work; with this probability something happens to it, if it lives long enough."""
        self.dead, self.struck, self.left = False, "", 0
        if self.dice.random() < chance:
            self.kind = self.dice.choice(("killed", "killed", "cut", AFTER))
            most = self.dice.choice((3,) if self.kind == AFTER else (12, 60))
            self.left = self.dice.randint(1, most)

    def spare(self) -> None:
        self.dead, self.struck, self.left = False, "", 0

    def note(self, what: str) -> None:
        """A neighbour has failed."""
        self.struck = self.struck or what

    def may_go_on(self) -> None:
        """Asked by every neighbour: a dead process reaches nobody."""
        if self.dead:
            raise Killed(self.kind)

    def before(self, connection: Any, *, committing: bool) -> None:
        self.may_go_on()
        if not self.left or (self.kind == AFTER and not committing):
            return
        self.left -= 1
        if self.left:
            return
        self.struck = self.kind
        self.seen[self.kind] += 1
        driver = connection.connection.driver_connection
        if self.kind == AFTER:
            driver.commit()
        driver.close()
        if self.kind == "killed":
            self.dead = True
            raise Killed(self.kind)


@contextmanager
def fate_of(fate: Fate) -> Iterator[None]:
    """Inside, the application's connections are in its hands."""

    def statement(connection: Any, *_rest: Any) -> None:
        fate.before(connection, committing=False)

    def commit(connection: Any) -> None:
        fate.before(connection, committing=True)

    engines = list(db.engines.values())
    for engine in engines:
        event.listen(engine, "before_cursor_execute", statement)
        event.listen(engine, "commit", commit)
    try:
        yield
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", statement)
            event.remove(engine, "commit", commit)
