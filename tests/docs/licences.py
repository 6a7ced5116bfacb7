"""Under which licences the packages are that the service runs on, by what their own metadata say."""

import re
from collections.abc import Iterable, Mapping
from email.message import Message
from importlib.metadata import Distribution, PackageMetadata, distribution
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.docs.markdown import table

EXTRAS: Final = ("nats", "oidc", "otel")
ACCEPTED: Final = frozenset(
    ("Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "MIT", "MIT-0", "MPL-2.0", "PSF-2.0", "Zlib")
)
"""By SPDX's names. MPL-2.0 asks for the source of its own files where those were changed; nobody changes them here."""

_SPELLED: Final = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2 License": "Apache-2.0",
    "License :: OSI Approved :: MIT License": "MIT",
}
"""Other spellings in metadata that can mean one licence only."""

_READ: Final = {
    "jinja2": "BSD-3-Clause",
    "pysqlite3": "Zlib",
    "python-dateutil": "Apache-2.0 AND BSD-3-Clause",
    "uvloop": "Apache-2.0 OR MIT",
}
"""Where the metadata leave it open: what the package's own file of the licence says."""

_FIXED: Final = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "python_version": "3.11"}
"""The page is the same wherever it is made."""


def page() -> str:
    """The page, as ``make docs`` writes it."""
    head = (
        "# Licences\n\n"
        "Countermand is under Apache-2.0. What it runs on is below, by what each package says of itself, for Linux and"
        " with every extra. The versions are in `uv.lock`; `make sbom` writes both as CycloneDX.\n\n"
    )
    allowed = ", ".join(f"`{each}`" for each in sorted(ACCEPTED))
    rows = ((f"`{name}`", f"`{licence}`") for name, licence in licences().items())
    rule = f"A package under any other licence than these fails the tests: {allowed}.\n\n"
    return head + rule + table(("Package", "Licence"), rows)


def licences() -> Mapping[str, str]:
    """The licence of each package, by its name.

    Raises:
        LookupError: a package does not say under which licence it is.
    """
    return {name: licence_of(name, found.metadata) for name, found in sorted(_needed("countermand").items())}


def licence_of(name: str, metadata: PackageMetadata | Message) -> str:
    """The licence as SPDX writes it.

    Raises:
        LookupError: the metadata do not say, and nobody has read its file.
    """
    if name in _READ:
        return _READ[name]
    said = [metadata[field] for field in ("License-Expression", "License") if field in metadata]
    for each in (*said, *(metadata.get_all("Classifier") or ())):
        if _ids(spelled := _SPELLED.get(str(each), str(each))):
            return spelled
    raise LookupError(f"{name} does not say under which licence it is. Read its file, and name it in _READ.")


def unaccepted(expression: str) -> frozenset[str]:
    """The licences of an expression that are not accepted, whichever of several one could choose."""
    return _ids(expression) - ACCEPTED


def _ids(expression: str) -> frozenset[str]:
    """The licences that it names; none if it is not an expression but a name in words."""
    if not re.fullmatch(r"\(*[\w.+-]+\)*(?: (?:AND|OR|WITH) \(*[\w.+-]+\)*)*", expression):
        return frozenset()
    return frozenset(re.findall(r"[\w.+-]+", expression)) - {"AND", "OR", "WITH"}


def _needed(name: str) -> dict[str, Distribution]:
    """Everything that is installed with this package and its extras, without our own."""
    found: dict[str, Distribution] = {}
    waiting: list[tuple[str, Iterable[str]]] = [(name, EXTRAS)]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        package, extras = waiting.pop()
        if (key := (package, frozenset(extras))) in seen:
            continue
        seen.add(key)
        found[package] = distribution(package)
        requirements = map(Requirement, found[package].requires or ())
        waiting.extend((canonicalize_name(each.name), each.extras) for each in requirements if _holds(each, extras))
    return {package: each for package, each in found.items() if not package.startswith("countermand")}


def _holds(requirement: Requirement, extras: Iterable[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({**_FIXED, "extra": each}) for each in (*extras, ""))
