"""The same tests as of the other engines, in the SQL that is for Citus."""

from tests.store.test_notices import *  # noqa: F403
