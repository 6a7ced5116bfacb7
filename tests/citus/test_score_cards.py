"""The same tests as of the other engines, in the SQL that is for Citus."""

from tests.store.test_score_cards import *  # noqa: F403
