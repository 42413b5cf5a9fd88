"""Who may come in, and what happens to credentials."""
