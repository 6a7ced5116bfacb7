"""Calls to hosts that others have named."""
