"""Answers requests: the HTTP layer, the exchange that decides for it, and the attempts."""
