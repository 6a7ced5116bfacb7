"""How tests log."""

import structlog


def log_plainly() -> None:
    """Tracebacks as text. The colourful ones that structlog makes otherwise, with all locals, take seconds each."""
    structlog.reset_defaults()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(),
        ]
    )
