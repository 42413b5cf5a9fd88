"""Requests and answers as people read them."""
