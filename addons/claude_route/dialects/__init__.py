"""The APIs that providers speak."""
