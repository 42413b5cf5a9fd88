"""Spans of requests, for an OpenTelemetry collector: an extra, off by default."""
