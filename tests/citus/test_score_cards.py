"""The same tests as of the other engines, in the SQL that is for Citus."""

from tests.store.test_score_cards import *  # noqa: F403

# It opens databases of its own, one of each engine.
del test_kept_figures_equal_a_recount_after_any_history  # noqa: F821
