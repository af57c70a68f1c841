"""The screens of services and their templates."""

from app.catalogue.views import parts, services, stages, templates

blueprints = (services.blueprint, stages.blueprint, templates.blueprint, parts.blueprint)
