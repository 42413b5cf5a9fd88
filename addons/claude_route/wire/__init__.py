"""Bytes: events, raw JSON, content encodings, HTTP messages."""
