"""Measures the service next to the least a database can do, and next to an HTTP server that does nothing."""
