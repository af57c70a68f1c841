"""The screens of planning."""

from app.planning.views import applications, series

blueprints = (applications.blueprint, series.blueprint)
