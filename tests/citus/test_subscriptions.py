"""The same tests as of the other engines, in the SQL that is for Citus."""

from tests.wire.bol_retailer.test_subscriptions import *  # noqa: F403
