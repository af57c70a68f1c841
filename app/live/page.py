"""Every page learns where its stream is."""

from __future__ import annotations

from flask import Flask, g, request


def init_app(app: Flask) -> None:
    base: str = app.config["SETTINGS"].live_url

    @app.context_processor
    def live() -> dict[str, str]:
        if not base or g.get("actor") is None:
            return {}
        return {"live_url": base + ("/live/portal" if request.path.startswith("/portal") else "/live")}
