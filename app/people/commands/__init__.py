"""What can be done with people and at their door."""
