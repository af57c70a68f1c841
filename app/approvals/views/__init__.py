"""The screens of approvals."""

from app.approvals.views import approvals, limits

blueprints = (approvals.blueprint, limits.blueprint)
init_app = approvals.init_app
