"""What we replace in mitmproxy."""
