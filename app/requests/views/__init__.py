"""The firm's screens of requests."""

from __future__ import annotations

from app.requests.views import fragments, review, writing
from app.requests.views.list import blueprint as requests

blueprints = (requests, writing.blueprint, review.blueprint, fragments.blueprint)
