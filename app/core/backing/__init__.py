"""PostgreSQL, Valkey and S3 from Python wheels, for whoever has set no URL of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from app.core.backing.processes import LOOPBACK, BackingFailed

if TYPE_CHECKING:
    from app.config import Settings
    from app.core.backing.lease import Lease

__all__ = ["BackingFailed", "ensure_services", "missing", "services", "take_lease"]

DEMO, EMPTY = "firmament", "firmament_empty"
_held: list[Lease] = []


def missing(settings: Settings) -> list[str]:
    """The services that have no URL in these settings, so that ours must stand in."""
    given = {"postgres": settings.database_url, "valkey": settings.redis_url, "s3": settings.s3_endpoint_url}
    return [name for name, url in given.items() if not url]


def ensure_services(settings: Settings) -> Settings:
    """Start what is missing for the life of this process, and fill its addresses in."""
    lease, filled = take_lease(settings)
    if lease is not None:
        _held.append(lease)
    return filled


@contextmanager
def services(settings: Settings) -> Iterator[Settings]:
    """The same for the length of a block; what nobody else uses has stopped at its end."""
    lease, filled = take_lease(settings)
    try:
        yield filled
    finally:
        if lease is not None:
            lease.release(wait=True)


def take_lease(
    settings: Settings, *, database: str = "", for_tests: bool = False, grace: float = 0.0
) -> tuple[Lease | None, Settings]:
    """A lease on what is missing (None when nothing is) and the settings with every address filled in."""
    wanted = missing(settings)
    if not wanted:
        return None, settings
    from app.core.backing.lease import Lease

    lease = Lease(settings.var, wanted, for_tests=for_tests, grace=grace)
    lease.take()
    try:
        return lease, _filled(settings, lease, database or (EMPTY if settings.empty else DEMO))
    except BaseException:
        lease.release()
        raise


def _filled(settings: Settings, lease: Lease, database: str) -> Settings:
    from app.core.backing.provision import database_url, make_bucket, make_database

    credentials = lease.credentials()
    if port := lease.ports.get("postgres"):
        make_database(port, credentials, database)
        owner, app, portal = (
            database_url(port, credentials, login=f"{database}_{kind}", database=database)
            for kind in ("owner", "app", "portal")
        )
        settings = replace(settings, database_url=owner, database_app_url=app, database_portal_url=portal)
    if port := lease.ports.get("valkey"):
        number = 1 if database == EMPTY else 0
        url = f"redis://:{credentials.valkey_password}@{LOOPBACK}:{port}/{number}"
        settings = replace(settings, redis_url=url)
    if port := lease.ports.get("s3"):
        url = f"http://{LOOPBACK}:{port}"
        settings = replace(
            settings, s3_endpoint_url=url, s3_public_url=settings.s3_public_url or url,
            s3_access_key=credentials.s3_access_key, s3_secret_key=credentials.s3_secret_key,
            s3_bucket=database.replace("_", "-"),
        )
        make_bucket(settings)
    return settings
