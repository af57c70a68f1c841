"""What is owed: append-only, balanced double-entry postings, and balances kept equal to their sums."""
