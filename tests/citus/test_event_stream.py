"""The same tests as of the other engines, in the SQL that is for Citus."""

from tests.worker.test_event_stream import *  # noqa: F403
