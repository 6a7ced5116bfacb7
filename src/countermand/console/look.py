"""How a browser wants to see pages: kept in a cookie of its own, which outlasts log-ins."""

from dataclasses import dataclass, replace
from typing import Final, Self

from countermand.documents.languages import ENGLISH, NAMES
from countermand.wire.replies import Header

LOOK_COOKIE: Final = "__Host-countermand-look"
_THEMES: Final = ("", "light", "dark")
_YEAR_S: Final = 31_536_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The theme, whether keys do anything, and in which language customers are spoken to."""

    theme: str = ""
    keys: bool = True
    language: str = ENGLISH

    @classmethod
    def read(cls, text: str) -> Self:
        """What a cookie says; anything else is the default."""
        theme, keys, language, *_ = *text.split("."), "", ""
        return cls(keys=keys != "off").with_theme(theme).with_language(language)

    def with_theme(self, theme: str) -> Self:
        """The same with another theme; one that there is not is that of the device."""
        return replace(self, theme=theme if theme in _THEMES else "")

    def with_language(self, language: str) -> Self:
        """The same in another language; one that there is not changes nothing."""
        return replace(self, language=language) if language in NAMES else self

    def cookie(self) -> Header:
        """The cookie that says so."""
        text = f"{LOOK_COOKIE}={self.theme}.{'on' if self.keys else 'off'}.{self.language}"
        return b"set-cookie", f"{text}; Path=/; Max-Age={_YEAR_S}; Secure; HttpOnly; SameSite=Lax".encode()


AS_IT_IS: Final = Look()
"""As a browser sees pages that has chosen nothing."""
