"""mitmproxy addons that route Claude Code's requests to the models a profile names."""
