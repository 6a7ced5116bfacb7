"""JSON shapes and sentences: what the API, the command line and the console show."""
