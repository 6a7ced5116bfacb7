"""What a killed service leaves behind is found at the test that killed it."""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Sockets that nobody closed are collected here, and not in a later test."""
    yield
    gc.collect()
