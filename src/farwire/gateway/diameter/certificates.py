"""Who a peer is by its certificate. Pure. Source: RFC 6733 §13.1, RFC 6125 §6.4."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast


def names_of(certificate: Mapping[str, object] | None) -> tuple[str, ...] | None:
    """Return the hosts that a certificate names, as ``ssl`` has read and verified it; None where there is none.

    The common name counts only where there are no other names.
    """
    if not certificate:
        return None
    others = cast("tuple[tuple[str, str], ...]", certificate.get("subjectAltName", ()))
    found = [value for kind, value in others if kind == "DNS"]
    if not found:
        subject = cast("tuple[tuple[tuple[str, str], ...], ...]", certificate.get("subject", ()))
        found = [value for part in subject for kind, value in part if kind == "commonName"]
    return tuple(found)


def is_named(names: tuple[str, ...], host: str) -> bool:
    """Tell whether a host is one of the names; ``*.example.net`` is every host one label below it."""
    wanted = host.lower()
    below = f"*.{wanted.partition('.')[2]}"
    return any(name.lower() in (wanted, below) for name in names)
