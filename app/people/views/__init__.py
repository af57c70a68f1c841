"""Screens of the firm's door, of one's own account, and of the people room."""

from __future__ import annotations

from app.people.views import account, leave, people, sign_in

blueprints = (sign_in.blueprint, sign_in.leaving, account.blueprint, people.blueprint, people.exports,
              leave.blueprint)
