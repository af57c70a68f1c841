"""What every room stands on and no business knows: database, clock, money, queue, storage, web."""
