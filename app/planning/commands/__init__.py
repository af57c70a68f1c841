"""Planning: applying services, series and what they forecast, creating jobs."""
