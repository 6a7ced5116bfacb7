"""What an operator wants to know before a service starts, and while it runs."""
