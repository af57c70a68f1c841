"""The forms of services, stages, templates and their parts."""
