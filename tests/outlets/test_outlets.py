"""Every kind of address has a way out, and nothing but that list knows how many there are."""

import re
from pathlib import Path

import pytest

import countermand
from countermand.domain.addresses.address import AddressKind
from countermand.domain.addresses.kinds import KINDS
from tests.support.world import World

SOURCE = Path(str(countermand.__file__)).parent


@pytest.mark.anyio
async def test_each_kind_of_address_has_its_outlet(world: World) -> None:
    outlets = world.application.outlets
    assert {kind.noun: outlets.of_kind(kind).kind for kind in KINDS} == {kind.noun: kind for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.noun)
def test_nobody_asks_which_kind_an_address_is(kind: AddressKind) -> None:
    """What depends on the kind is a property of the kind, or of its outlet."""
    asked = re.compile(rf"\b(is|is not|==|!=) {kind.noun.upper()}\b|is_{kind.noun}\(")
    for path in SOURCE.rglob("*.py"):
        assert not asked.search(path.read_text()), path
