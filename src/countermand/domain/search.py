"""How an order is found: by words of its titles, by SKU, and only by parties that may see it.

All of these become terms of ASCII letters and digits, which every full-text index stores unchanged. What belongs to a
customer or a payment becomes a key, and what is found by its beginning is folded to small letters.
"""

import hashlib
from collections.abc import Iterable, Mapping
from itertools import groupby
from string import ascii_lowercase, ascii_uppercase
from typing import Any, Final
from uuid import UUID

WORD_BYTES_MAX: Final = 40
"""Of longer words, only the beginning is indexed."""

TERMS_MAX: Final = 5_000
"""The most terms of one party's part of an order. PostgreSQL accepts at most a megabyte of terms."""


def words_of(text: str) -> list[str]:
    """The words of a text in small letters, each once, in their order. All but letters and digits separates words."""
    parts = ("".join(part) for is_word, part in groupby(text.casefold(), str.isalnum) if is_word)
    return list(dict.fromkeys(parts))


def term_of_word(word: str) -> str:
    """A word as a term. The term of a prefix is a prefix of the term."""
    return "w" + word.encode()[:WORD_BYTES_MAX].hex()


def term_of_sku(sku: str) -> str:
    """A SKU as a term. Only the whole SKU is found by it."""
    return "s" + hashlib.sha256(sku.encode()).hexdigest()[:32]


def term_of_retailer(party: UUID) -> str:
    """The term by which a retailer finds what it sold."""
    return f"r{party.hex}"


def term_of_holder(party: UUID) -> str:
    """The term by which a party finds what it holds for others."""
    return f"h{party.hex}"


def terms_of(retailer: UUID, holder: UUID | None, articles: Iterable[tuple[str, str]]) -> str:
    """The terms of one party's part of an order: ``articles`` are pairs of SKU and title. ``holder`` may find it."""
    terms = [term_of_retailer(retailer)]
    if holder is not None:
        terms.append(term_of_holder(holder))
    for sku, title in articles:
        terms.append(term_of_sku(sku))
        terms += [term_of_word(word) for word in words_of(title)]
    return " ".join(list(dict.fromkeys(terms))[:TERMS_MAX])


# What is found by its beginning stands in an index of small letters


FOLDED_CHARS_MAX: Final = 200
"""Of longer texts, only the beginning is indexed."""

BEGINNING_CHARS_MIN: Final = 2
"""Of fewer letters nothing is found that only begins so."""


def folded(text: str) -> str:
    """A text as it is indexed by its beginning: small letters, and nothing that no database can keep."""
    return _kept(text.lower())[:FOLDED_CHARS_MAX]


def spellings_of(text: str) -> list[str]:
    """How texts that are this one, or begin so, can stand in the index.

    Where a database makes the small letters, it may leave all but A to Z as they are. Such letters are found as they
    are given, small, large, and large where a word begins.
    """
    changed = (text.lower(), *(each.translate(_SMALL) for each in (text, text.upper(), text.title())))
    return list(dict.fromkeys(_kept(each)[:FOLDED_CHARS_MAX] for each in changed))


_SMALL: Final = str.maketrans(ascii_uppercase, ascii_lowercase)
_LAST: Final = "\U0010ffff"


def end_of(beginning: str) -> str:
    """What stands behind all texts that begin so, where texts are sorted by their bytes."""
    return beginning + _LAST


def _kept(text: str) -> str:
    """Without what no database can keep: halves of surrogate pairs and the zero byte."""
    return text.encode(errors="replace").decode().replace("\0", "?")


# Keys: those of a customer are deleted when the customer is erased


def key_of_email(email: str) -> str:
    """An e-mail address as a key, in small letters."""
    return _open_key("e", email.strip())


def key_of_payment(reference: str) -> str:
    """The provider's name of a payment, as a key: in small letters, and as it is if that differs."""
    small = _open_key("p", reference)
    return small if reference == reference.lower() else f"{small}\n{_hash(reference)}"


def beginning_of_email(text: str) -> str:
    """How keys of e-mail addresses begin that begin with this text."""
    return "e" + folded(text.strip())


def beginning_of_payment(text: str) -> str:
    """How keys of payments begin that begin with this text."""
    return "p" + folded(text)


def _open_key(kind: str, text: str) -> str:
    small = _kept(text.lower())
    return kind + (small if len(small) <= FOLDED_CHARS_MAX else f"{small[:FOLDED_CHARS_MAX]}\n{_hash(small)}")


def key_of_name(words: Iterable[str]) -> str:
    """All words of a name as a key, in any order."""
    return _key("n", " ".join(sorted(words)))


def keys_of_customer(details: Mapping[str, Any]) -> list[str]:
    """The keys of a customer in an order's details: e-mail addresses, whole names, and each word of a name."""
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
    return kind + _hash(text)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:32]
