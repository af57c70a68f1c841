"""The staff screens that read across rooms, and the guard at the staff door."""
