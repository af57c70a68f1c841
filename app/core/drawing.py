"""Small drawings that stand in every row of a list: made here, since a template would take ten times as long."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from flask import Flask
from markupsafe import Markup, escape

from app.core.wording import amount

AGES = ("0–30", "31–60", "61–90", "91–120", "121+")


def ageing(amounts: Sequence[Decimal], label: str = "Ageing") -> Markup:
    """A bar of five ages, to scale; read aloud, the amounts of those that are not empty."""
    parts = list(enumerate(amounts))
    total = sum(amounts)
    words = "".join(f" {AGES[n]} days {amount(part)};" for n, part in parts if part)
    bars, at = [], 0.0
    for n, part in parts:
        if part > 0 and total > 0:
            width = float(part / total) * 100
            bars.append(f'<rect class="age-{n}" x="{at:.2f}" y="0" width="{width:.2f}" height="6"/>')
            at += width
    return Markup(
        '<svg class="ageing" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(label)}:{escape(words)}">{"".join(bars)}</svg>'
    )


def init_app(app: Flask) -> None:
    app.jinja_env.globals.update(draw_ageing=ageing, ages=AGES)
