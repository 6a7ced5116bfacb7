from countermand.domain.reasons import CancelReason
from countermand.wire.bol.vocabulary import REASONS, ReasonCode


def test_each_of_bols_twelve_reasons_has_a_meaning_of_its_own() -> None:
    assert list(REASONS) == list(ReasonCode)
    assert len(REASONS) == len(set(REASONS.values())) == 12
    assert set(REASONS.values()) < set(CancelReason)
