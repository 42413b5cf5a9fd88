"""What people see in mitmweb and the console."""
