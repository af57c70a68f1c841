"""The application for any WSGI server: `gunicorn wsgi:app`; settings come from the environment."""

from app.config import Settings
from app.factory import create_app

app = create_app(Settings.from_environment())
