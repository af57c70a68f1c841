"""What the firm asks a client for, the answers, and the reminders."""
