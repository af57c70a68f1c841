"""The reader of the event log that fills the inboxes."""

from __future__ import annotations

import app.notifications.readers  # noqa: F401
