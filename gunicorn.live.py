"""How gunicorn serves the live streams: as the rest, but each answer goes on for as long as its page is open."""

from pathlib import Path
from runpy import run_path

_rest = run_path(str(Path(__file__).with_name("gunicorn.conf.py")), run_name="live")
settings = _rest["settings"]
globals().update({name: value for name, value in _rest.items() if not name.startswith("_")})

bind = f"{settings.host}:{settings.live_port}"
# A thread a page, and none for whoever says nothing or sends half a request.
worker_class = "app.core.serving.StreamingWorker"
workers = 1
threads = settings.live_threads
worker_connections = settings.live_threads + 800
graceful_timeout = 1
