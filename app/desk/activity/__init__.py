"""The screens of the event log: timelines and the audit page."""
