"""The engines: SQLite with a thread for its writer, PostgreSQL in the event loop. All they differ in is in here."""
