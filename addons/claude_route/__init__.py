"""mitmproxy addons that route Claude Code's requests to the models a profile names."""

__version__ = "0.1.0"
