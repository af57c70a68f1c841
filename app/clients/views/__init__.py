"""The screens on which clients, contacts, engagements, their arrangements and walls are changed."""

from app.clients.views import arrangements, clients, contacts, engagements, walls

blueprints = (
    clients.blueprint, contacts.blueprint, engagements.blueprint, arrangements.blueprint, walls.blueprint,
)
