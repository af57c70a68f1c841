"""Lists as CSV: the writing lies in the core, the trace in the firm's room."""

from app.core.csv_out import cell, csv_lines, stream_csv
from app.firm.exports import can_export, record_export

__all__ = ["can_export", "cell", "csv_lines", "record_export", "stream_csv"]
