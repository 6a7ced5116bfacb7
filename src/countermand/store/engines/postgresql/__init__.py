"""PostgreSQL: a server, transactions side by side, and several processes."""
