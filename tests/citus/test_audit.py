"""The same tests as of the other engines, in the SQL that is for Citus."""

from tests.admin.test_audit import *  # noqa: F403
