"""The command `claude-route` and its subcommands."""
