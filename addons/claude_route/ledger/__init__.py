"""The ledger: a database of all requests, for reports. Nothing waits for it."""
