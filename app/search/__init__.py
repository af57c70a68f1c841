"""Finding anything one may see."""
