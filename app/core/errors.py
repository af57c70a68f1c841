"""What can go wrong in the domain, in three kinds that the web answers once and for all."""

from __future__ import annotations


class FirmamentError(Exception):
    """Base of all errors that carry a sentence for the person who caused them."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class Refused(FirmamentError):
    """A rule of the trade says no (422). `field` names the form field at fault, if one is."""


class Stale(Refused):
    """Somebody changed the row since the form was opened (409)."""


class Conflict(Refused):
    """The same id was used before for something else (409)."""


class NotAllowed(FirmamentError):
    """They may see it but not do this (403)."""


class NotFound(FirmamentError):
    """It does not exist, or not for them (404); both answer the same."""

    def __init__(self, message: str = "There is nothing here.") -> None:
        super().__init__(message)


class Throttled(FirmamentError):
    """Too many tries (429); `retry_after` is in whole seconds."""

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after
