"""What people put onto other things: comments."""
