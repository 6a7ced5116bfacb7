"""What an operator sees of a running service: logs, metrics, traces, and what systemd is told."""


class UnobservableError(Exception):
    """The settings ask for metrics or traces that cannot be had. The message says what to do."""
