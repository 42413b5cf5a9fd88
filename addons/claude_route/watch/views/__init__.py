"""Formats requests and answers for people."""
