"""What an order is found by: the words of its titles, its SKUs, and the parties that may find it.

All become terms of ASCII letters and digits, so that every full-text index of every database takes them as they are.
What is looked up whole, such as an e-mail address, becomes a key.
"""

import hashlib
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any, Final
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


# Keys: what is found whole, and goes when the customer is erased


def key_of_email(email: str) -> str:
    """An e-mail address as a key; capitals do not matter."""
    return _key("e", email.strip().casefold())


def key_of_payment(reference: str) -> str:
    """A payment as a key, by its provider's name of it."""
    return _key("p", reference)


def key_of_name(words: Iterable[str]) -> str:
    """All words of a name as a key, in whatever order they stand."""
    return _key("n", " ".join(sorted(words)))


def keys_of_customer(details: Mapping[str, Any]) -> list[str]:
    """The keys of the customer in an order's details: e-mail addresses, and names whole and by each of their words."""
    keys: list[str] = []
    for member in ("shipping_address", "billing_address"):
        address = details.get(member) or {}
        if email := str(address.get("email") or "").strip():
            keys.append(key_of_email(email))
        for name in (f"{address.get('first_name') or ''} {address.get('last_name') or ''}", address.get("company")):
            words = words_of(str(name or ""))
            keys += [key_of_name([word]) for word in words]
            if len(words) > 1:
                keys.append(key_of_name(words))
    return list(dict.fromkeys(keys))


def _key(kind: str, text: str) -> str:
    return kind + hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:32]
