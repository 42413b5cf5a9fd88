"""Which clients may connect, and what happens to credentials."""
