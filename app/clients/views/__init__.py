"""The screens on which clients, contacts, engagements and walls are changed."""

from app.clients.views import clients, contacts, engagements, walls

blueprints = (clients.blueprint, contacts.blueprint, engagements.blueprint, walls.blueprint)
