"""Counts for Prometheus, at `GET /metrics`."""
