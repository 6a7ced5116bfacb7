"""What an order is found by: the words of its titles, its SKUs, and the parties that may find it.

All become terms of ASCII letters and digits, so that every full-text index of every database takes them as they are.
"""

import hashlib
from collections.abc import Iterable
from itertools import groupby
from typing import Final
from uuid import UUID

WORD_BYTES_MAX: Final = 40
"""Longer words are known by their beginning."""

TERMS_MAX: Final = 5_000
"""So many terms one party's share of an order has at most; PostgreSQL takes no more than a megabyte of them."""


def words_of(text: str) -> list[str]:
    """The words of a text, small, each once, in their order: whatever is between letters and digits parts them."""
    parts = ("".join(part) for is_word, part in groupby(text.casefold(), str.isalnum) if is_word)
    return list(dict.fromkeys(parts))


def term_of_word(word: str) -> str:
    """A word as a term. The term of a word's beginning is the beginning of its term."""
    return "w" + word.encode()[:WORD_BYTES_MAX].hex()


def term_of_sku(sku: str) -> str:
    """A SKU as a term: it is found whole or not at all."""
    return "s" + hashlib.sha256(sku.encode()).hexdigest()[:32]


def term_of_retailer(party: UUID) -> str:
    """Under this term a retailer finds what it sold."""
    return f"r{party.hex}"


def term_of_holder(party: UUID) -> str:
    """Under this term a party finds what it holds for others."""
    return f"h{party.hex}"


def terms_of(retailer: UUID, holder: UUID | None, articles: Iterable[tuple[str, str]]) -> str:
    """The terms of what one party holds of an order, given as pairs of a SKU and a title. ``holder`` may find it."""
    terms = [term_of_retailer(retailer)]
    if holder is not None:
        terms.append(term_of_holder(holder))
    for sku, title in articles:
        terms.append(term_of_sku(sku))
        terms += [term_of_word(word) for word in words_of(title)]
    return " ".join(list(dict.fromkeys(terms))[:TERMS_MAX])
