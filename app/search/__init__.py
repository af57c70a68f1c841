"""Finding anything by a few letters: the palette, the search page, the lookups of forms."""
