"""Measurements of the proxy, as ratios in one run."""
