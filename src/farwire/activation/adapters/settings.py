"""What a tenant says of an element, as an adapter needs it: settings with their types, an address, a secret.

Settings are texts under flat names. One with a dot belongs to a table: ``attribute.mtu`` is ``mtu`` of ``attribute``.
No error repeats a secret, an address's user or what an element answered.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from farwire.activation.adapters import Element
from farwire.activation.model import ACTIVE, SUSPENDED
from farwire.kernel.errors import Invalid, Unavailable

S = TypeVar("S", bound=msgspec.Struct)
_SECRET_MOST = 65_536


class Status(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where an element keeps whether a target is active, and in which words."""

    at: str
    active: str
    suspended: str

    def shown(self, text: str | None) -> str:
        """Return ``active`` or ``suspended``; a word that nobody planned as it is. Nothing said is active."""
        known = {None: ACTIVE, self.active: ACTIVE, self.suspended: SUSPENDED}
        return known.get(text, text or "")

    def word(self, status: str) -> str:
        """Return the element's word."""
        return self.active if status == ACTIVE else self.suspended


def settings_of(element: Element, kind: type[S]) -> S:
    """Return the element's settings. Raises ``Invalid`` (``activation.element``)."""
    nested: dict[str, object] = {}
    for name, text in element.settings.items():
        table, dot, rest = name.partition(".")
        inner = nested.setdefault(table, {} if dot else text)
        if isinstance(inner, dict) != bool(dot):
            raise unusable(table, "it is a text and a table at the same time")
        if isinstance(inner, dict):
            inner[rest] = text
    try:
        return msgspec.convert(nested, kind, strict=False)
    except msgspec.ValidationError as error:
        raise unusable("settings", str(error)) from None


def settings_in(text: str) -> dict[str, str]:
    """Return the settings in a TOML text: texts, and tables of texts. Raises ``Invalid`` (``activation.element``)."""
    try:
        document = msgspec.convert(tomllib.loads(text), dict[str, str | dict[str, str]])
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise unusable("settings", f"no texts and tables of texts: {error}") from None
    found: dict[str, str] = {}
    for name, value in document.items():
        more = (
            {f"{name}.{inner}": one for inner, one in value.items()}
            if isinstance(value, dict)
            else {name: value}
        )
        found |= more
    return found


def host_and_port(element: Element, port: int) -> tuple[str, int]:
    """Return the two parts of ``host``, ``host:port`` or ``[address]:port``. Raises ``Invalid``."""
    try:
        parts = urlsplit(f"//{element.address}")
        host, found = parts.hostname, parts.port or port
    except ValueError:
        raise unusable("address", "it is not a host and a port") from None
    if not host or parts.netloc != element.address or parts.username is not None:
        raise unusable("address", "it is not a host and a port")
    return host, found


def secret_path(element: Element) -> Path:
    """Return the file that holds the element's secret. Raises ``Invalid``."""
    if not element.credentials.startswith("file:/"):
        raise unusable("credentials", "they must be file:/path")
    return Path(element.credentials.removeprefix("file:"))


def secret_of(element: Element) -> str:
    """Return the element's secret, without the end of its line. Raises ``Invalid``; nothing of it is repeated."""
    if element.credentials.startswith("env:"):
        found = os.environ.get(element.credentials.removeprefix("env:"), "")
    else:
        try:
            with secret_path(element).open(encoding="utf-8") as file:
                found = file.read(_SECRET_MOST)
        except (OSError, UnicodeDecodeError):
            raise unusable("credentials", "the file cannot be read") from None
    if not found.strip():
        raise unusable("credentials", "there is no secret where they point")
    return found.rstrip("\r\n")


def unusable(field: str, why: str) -> Invalid:
    """Return the refusal of an element that is described wrongly."""
    return Invalid(
        f"the element cannot be used: {why}",
        code="activation.element",
        field=field,
        fix="see its adapter in docs/activation-adapters.md",
    )


def refused(element: Element, why: str) -> Invalid:
    """Return the answer of an element that will not. ``why`` names nothing of the target."""
    return Invalid(
        f"{element.name} refuses: {why}",
        code="activation.refused",
        field="target",
        fix="look at the order and the element, then retry or cancel",
    )


def no_answer(element: Element, why: str) -> Unavailable:
    """Return that an element could not be asked now. ``why`` names nothing of the target."""
    return Unavailable(f"{element.name} does not answer: {why}", code="activation.no_answer", field="adapter")
