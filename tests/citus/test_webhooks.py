"""The same tests as of the other engines, in the SQL that is for Citus."""

from tests.console.test_webhooks import *  # noqa: F403
