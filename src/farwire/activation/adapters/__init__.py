"""Adapters that speak to real network elements, one folder each, and how the one for an element is found.

``adapters/<name>/`` is a package with a function ``adapter(element) -> Adapter`` that is called for each transaction:
it opens nothing, and keeps connections, where it keeps any, by the element, which compares by value. It refuses an
element whose address, credentials or settings it cannot use (``Invalid``, ``activation.element``). Beside it lies
``quality.toml``, which says what is proven of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Final, cast

from farwire.activation.port import Adapter
from farwire.kernel.errors import Invalid
from farwire.kernel.ids import TenantId

ADAPTERS: Final = ("http", "netconf", "snmp")
"""Packages beside this file."""
TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Element:
    """A network element of a tenant: operations for ``name`` go to ``address`` through the adapter ``adapter``.

    ``credentials`` is no secret but says where it lies: ``env:NAME`` or ``file:/path``; empty for none.
    """

    tenant_id: TenantId
    name: str
    """As the catalogue calls it in its operations."""
    adapter: str
    address: str
    credentials: str = ""
    settings: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What docs/activation-adapters.md lists for the adapter."""
    timeout_s: float = TIMEOUT_S
    """For one answer. The one who asks gives up after it, whatever the adapter does."""


def adapter_of(element: Element) -> Adapter:
    """Return the adapter that speaks to the element. Raises ``Invalid`` (``activation.element``)."""
    if element.adapter not in ADAPTERS:
        raise Invalid(
            "no adapter of that name",
            code="activation.element",
            field="adapter",
            value=element.adapter,
            fix="use one of " + ", ".join(ADAPTERS),
        )
    module = import_module(f"farwire.activation.adapters.{element.adapter}")
    return cast("Callable[[Element], Adapter]", module.adapter)(element)
