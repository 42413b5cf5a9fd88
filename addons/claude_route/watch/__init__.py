"""Shows requests and answers in mitmweb, in the console, in the log and on pages."""
