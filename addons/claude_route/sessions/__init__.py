"""What happened in a session: its turns, their blocks, what is new in each, and what it cost. Pure."""
