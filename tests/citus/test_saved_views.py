"""The same tests as of the other engines, in the SQL that is for Citus."""

from tests.console.test_saved_views import *  # noqa: F403
