"""Work that comes by itself: applying services to many clients, and recurrence."""
