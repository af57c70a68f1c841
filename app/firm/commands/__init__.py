"""What can be done with the firm's own settings."""

from __future__ import annotations

from app.firm.commands.numbers import PREFIXES, next_number, set_series

__all__ = ["PREFIXES", "next_number", "set_series"]
