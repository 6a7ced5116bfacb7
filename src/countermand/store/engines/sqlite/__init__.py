"""SQLite: one file, one writer, and one process."""
