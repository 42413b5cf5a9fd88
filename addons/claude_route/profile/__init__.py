"""YAML and environment -> a frozen Profile, with every check."""
