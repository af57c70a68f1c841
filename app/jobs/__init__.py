"""What must be done and in which order: jobs, tasks, dependencies, deadlines (one aggregate)."""
