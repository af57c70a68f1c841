"""The firm's people: their roles, hours and grades, and how they sign in."""
