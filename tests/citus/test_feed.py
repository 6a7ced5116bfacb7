"""The same tests as of the other engines, in the SQL that is for Citus."""

from tests.store.test_feed import *  # noqa: F403

# A database is restored before its tables are spread: the test of that one is PostgreSQL's.
del globals()["test_in_a_server_that_it_was_restored_into_new_events_stand_last"]
