"""Screens of the firm's settings, and what its brand is served by."""

from __future__ import annotations

from app.firm.views import brand, money, places, settings

blueprints = (brand.blueprint, settings.blueprint, places.blueprint, money.blueprint)
