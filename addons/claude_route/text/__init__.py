"""Numbers and lines as people read them."""
