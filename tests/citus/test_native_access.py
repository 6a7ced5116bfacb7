"""The same tests as of the other engines, in the SQL that is for Citus."""

from tests.wire.native.conftest import *  # noqa: F403
from tests.wire.native.test_access import *  # noqa: F403
