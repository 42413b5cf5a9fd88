"""Shows requests and answers in mitmweb, in the console and in the log, and counts them."""
