"""PostgreSQL with Citus: tables are spread over several servers by retailer."""
