"""Small drawings that stand in every row of a list: made here, since a template would take ten times as long."""

from __future__ import annotations

import datetime as dt
from collections import ChainMap
from collections.abc import Callable, Hashable, MutableMapping, Sequence
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any, Protocol

from babel import Locale
from flask import Flask
from flask.templating import Environment
from markupsafe import Markup, escape

from app.core import clock
from app.core.number_format import NumberFormat
from app.core.wording import amount, locale, number_format

ROWS_KEPT = 8192


class Templates(Environment):
    """Templates that share one dictionary of globals, which nobody changes once the application is made.

    Why: a chain of dictionaries, as every template has otherwise, is walked key by key at each import and include,
    which is a twentieth of a page's time.
    """

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        return ChainMap(d, self.globals) if d else self.globals


class Age(Protocol):
    """A column of an ageing: what it is called, and the mark of its colour."""

    @property
    def label(self) -> str: ...
    @property
    def mark(self) -> str: ...


def ageing(amounts: Sequence[Decimal], ages: Sequence[Age], label: str = "Ageing") -> Markup:
    """A bar of amounts by age, to scale; read aloud, the amounts of those that are not empty."""
    parts = list(zip(ages, amounts, strict=True))
    total = sum(amounts)
    words = "".join(f" {age.label} {amount(part)};" for age, part in parts if part)
    bars, at = [], 0.0
    for age, part in parts:
        if part > 0 and total > 0:
            width = float(part / total) * 100
            bars.append(f'<rect class="{age.mark}" x="{at:.2f}" y="0" width="{width:.2f}" height="6"/>')
            at += width
    return Markup(
        '<svg class="ageing" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(label)}:{escape(words)}">{"".join(bars)}</svg>'
    )


def init_app(app: Flask) -> None:
    @lru_cache(maxsize=ROWS_KEPT)
    def drawn(
        template: str, macro: str, _day: dt.date, _reader: Locale, _numbers: NumberFormat, *values: Hashable
    ) -> Markup:
        return Markup(getattr(app.jinja_env.get_template(template).module, macro)(*values))

    def row_of(template: str, macro: str) -> Callable[..., Markup]:
        """A macro that is drawn again only when a value, the day, the language or the format of numbers is another.

        For rows of lists, and words that a page repeats, whose macro reads nothing but its values; those are hashable
        and never change.
        """
        return partial(drawn, template, macro, clock.today(), locale(), number_format())

    app.jinja_env.globals.update(draw_ageing=ageing, row_of=row_of)
