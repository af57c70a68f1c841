"""Reading a file of clients, importing them one by one, and taking an import back."""

from app.exchange.clients.commands.importing import (
    Tally,
    digest_of_plan,
    errors_of,
    plan_import,
    start_import,
)
from app.exchange.clients.commands.mappings import delete_mapping, rename_mapping, save_mapping, use_mapping
from app.exchange.clients.commands.reading import (
    amounts_in,
    keep_import,
    map_columns,
    read_anew,
    read_import,
    warnings_of,
)
from app.exchange.clients.commands.undoing import undo_import

__all__ = [
    "Tally",
    "amounts_in",
    "delete_mapping",
    "digest_of_plan",
    "errors_of",
    "keep_import",
    "map_columns",
    "plan_import",
    "read_anew",
    "read_import",
    "rename_mapping",
    "save_mapping",
    "start_import",
    "undo_import",
    "use_mapping",
    "warnings_of",
]
