"""The same tests as of the other engines, in the SQL that is for Citus."""

from tests.wire.bol_retailer.conftest import *  # noqa: F403
from tests.wire.bol_retailer.test_cancelling import *  # noqa: F403
