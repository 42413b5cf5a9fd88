"""Who is asked, in which order, with which credential: pure policy."""
