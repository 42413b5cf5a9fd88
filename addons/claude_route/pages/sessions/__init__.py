"""What happened in each session, for people and for programs."""
