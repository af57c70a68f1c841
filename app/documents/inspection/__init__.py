"""What a file really is: told from its content alone, before anybody may open it."""
