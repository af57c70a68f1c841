"""The screens of planning."""

from app.planning.views import applications, editions, series

blueprints = (applications.blueprint, editions.blueprint, series.blueprint)
