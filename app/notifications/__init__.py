"""Who is told: each person's inbox of what concerns them."""
