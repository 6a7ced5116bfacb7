"""Ids and tokens."""

import zlib
from datetime import timedelta
from random import Random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermand.ids import Ids, digest, read, show, system_clock
from tests.support.world import START, Clock

BASE62 = set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


@given(seed=st.integers(), after=st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=365_000)))
def test_an_id_is_a_uuid_of_version_7(seed: int, after: timedelta) -> None:
    clock = Clock(START + after)
    made = Ids(clock, Random(seed)).new()
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"
    assert abs((made.int >> 80) - clock().timestamp() * 1000) < 1


def test_ids_sort_by_the_millisecond() -> None:
    clock = Clock()
    ids = Ids(clock)
    made = []
    for _ in range(1_000):
        made.append(ids.new())
        clock.advance(milliseconds=1)
    assert made == sorted(made)


def test_ids_of_one_millisecond_differ_in_all_74_bits() -> None:
    ids = Ids(Clock())
    made = [ids.new().int for _ in range(2_000)]
    assert len(set(made)) == 2_000
    seen = [0, 0]
    for each in made:
        seen[0] |= ~each
        seen[1] |= each
    random_bits = ((1 << 12) - 1) << 64 | (1 << 62) - 1
    assert seen[0] & random_bits == seen[1] & random_bits == random_bits


def test_the_same_clock_and_dice_make_the_same_ids() -> None:
    one, other = (Ids(Clock(), Random(7)) for _ in range(2))
    assert [one.new() for _ in range(10)] == [other.new() for _ in range(10)]
    assert one.token("cmt") == other.token("cmt")


def test_without_dice_ids_are_not_predictable() -> None:
    assert Ids(Clock()).token("cmt") != Ids(Clock()).token("cmt")


@given(seed=st.integers())
def test_a_token_has_a_prefix_256_bits_and_a_checksum(seed: int) -> None:
    prefix, _, rest = Ids(Clock(), Random(seed)).token("cmt").partition("_")
    secret, checksum = rest[:-6], rest[-6:]
    assert prefix == "cmt"
    assert len(secret) == 43
    assert set(rest) <= BASE62
    assert 62**43 > 2**256
    number = 0
    for digit in checksum:
        number = number * 62 + "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".index(digit)
    assert number == zlib.crc32(secret.encode())


def test_what_is_stored_of_a_token_is_its_sha256() -> None:
    assert digest("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert len(digest("\ud800")) == 64


@pytest.mark.parametrize(
    "text", ["", "can_", "can_xyz", "0190", "ord_00000000000000000000000000000007", "\0", "٣" * 31]
)
def test_what_is_no_id_is_read_as_none(text: str) -> None:
    assert read("can", text) is None


@given(number=st.integers(0, 2**128 - 1))
def test_an_id_is_read_as_it_is_shown(number: int) -> None:
    value = UUID(int=number)
    assert read("can", show("can", value)) == value
    assert read("can", str(value)) == value


def test_the_systems_clock_is_aware_and_in_utc() -> None:
    assert system_clock().utcoffset() == timedelta(0)
