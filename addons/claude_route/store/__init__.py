"""What instances share in Redis, and what a restart remembers without it."""
