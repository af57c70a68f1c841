"""Who may decide about how much, what was asked of them, and what they decided."""
