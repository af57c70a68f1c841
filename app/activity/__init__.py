"""What happened: one append-only, hash-chained record that everything else reads."""
