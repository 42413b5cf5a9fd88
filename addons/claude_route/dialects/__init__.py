"""The APIs that providers offer, and the translation between them and the Messages API."""
