"""The screens of time: the timer bar, the time sheet, expenses, rate cards."""

from __future__ import annotations

from flask import Flask

from app.timekeeping.views import expenses, files, rates, sections, timers

blueprints = (timers.blueprint, sections.time, expenses.blueprint, rates.blueprint, files.blueprint)


def init_app(app: Flask) -> None:
    app.context_processor(timers.around)
