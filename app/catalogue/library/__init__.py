"""Ready services with their statutory dates, to begin from; each can be changed like any other once it is added."""

from app.catalogue.library import american, british, irish, legal
from app.catalogue.library.shape import LibraryService

SERVICES: tuple[LibraryService, ...] = (*british.SERVICES, *irish.SERVICES, *american.SERVICES, *legal.SERVICES)


def find_library_service(code: str) -> LibraryService | None:
    return next((service for service in SERVICES if service.code == code.upper()), None)
