"""What the firm sells: services, their stages, and the versioned templates that jobs are made from."""
