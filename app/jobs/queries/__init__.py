"""Reading jobs, tasks and their graph."""
