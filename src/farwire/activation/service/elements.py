"""The network elements that a tenant names: which adapter speaks to each, and where."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from farwire.activation.adapters import ADAPTERS, Element
from farwire.activation.service.reaching import port_of
from farwire.activation.simulator import BUILT_IN, KINDS
from farwire.activation.store import elements as store
from farwire.activation.store import targets
from farwire.base import audit
from farwire.base.storage import Tx
from farwire.kernel.errors import Conflict, Exhausted, Invalid, NotFound
from farwire.kernel.tenancy import SYSTEM, Actor

MAX_ELEMENTS: Final = 200
"""Of a tenant."""
MAX_SETTINGS: Final = 200
MAX_SETTING: Final = 4000
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")
_CREDENTIALS: Final = re.compile(r"(env:[A-Za-z_][A-Za-z0-9_]{0,99}|file:/\S{1,200})?")
_TIMEOUT_S: Final = (0.1, 60.0)


async def set_element(tx: Tx, *, element: Element, now: datetime, actor: Actor = SYSTEM) -> None:
    """Let operations for the element's name go to it from now on, instead of where they went. Audited.

    Raises ``Invalid`` (``activation.element``), ``Exhausted`` (``activation.elements``).
    """
    _check(element)
    port_of(element)  # refuses what its adapter cannot use
    known = {one.name for one in await store.elements(tx)}
    if element.name not in known and len(known) >= MAX_ELEMENTS:
        raise Exhausted(
            f"a tenant has at most {MAX_ELEMENTS} elements", code="activation.elements", field="name"
        )
    await store.save_element(tx, element, now)
    await audit.record(
        tx,
        actor=actor,
        action="activation.set_element",
        subject=element.name,
        at=now,
        detail={"adapter": element.adapter},
    )


def _check(element: Element) -> None:
    low, high = _TIMEOUT_S
    settings = element.settings.items()
    texts = (element.address, *(text for pair in settings for text in pair))
    wrong = {
        "name": _NAME.fullmatch(element.name) is None,
        "adapter": element.adapter not in (*ADAPTERS, *KINDS),
        "address": len(element.address) > MAX_SETTING,
        "credentials": _CREDENTIALS.fullmatch(element.credentials) is None,
        "timeout_s": not low <= element.timeout_s <= high,
        "settings": len(settings) > MAX_SETTINGS or any(len(t) > MAX_SETTING or "\x00" in t for t in texts),
    }
    fields = [name for name, bad in wrong.items() if bad]
    if fields:
        raise Invalid(
            "an element has a name in small letters, one of the adapters, credentials as env:NAME or file:/path, "
            f"and {low:g} to {high:g} s to answer",
            code="activation.element",
            field=fields[0],
            fix="adapters: " + ", ".join((*ADAPTERS, *sorted(KINDS))),
        )


async def remove_element(tx: Tx, *, name: str, now: datetime, actor: Actor = SYSTEM) -> None:
    """Forget the element; a name that is built in means its simulator again. Audited.

    Raises ``NotFound`` (``activation.element_unknown``), ``Conflict`` (``activation.element_used``).
    """
    if name not in BUILT_IN and await targets.has_targets(tx, name):
        raise Conflict("something is applied there", code="activation.element_used", field="name", value=name)
    if not await store.delete_element(tx, name):
        raise element_unknown(name)
    await audit.record(tx, actor=actor, action="activation.remove_element", subject=name, at=now, detail={})


async def list_elements(tx: Tx) -> tuple[Element, ...]:
    """Return the tenant's elements and the simulators that are built in, by name."""
    named = {one.name: one for one in await store.elements(tx)}
    built_in = {name: Element(tx.tenant_id, name, kind, "") for name, kind in BUILT_IN.items()}
    return tuple(one for _, one in sorted({**built_in, **named}.items()))


def element_unknown(name: str) -> NotFound:
    """Return that the tenant has no element of that name."""
    return NotFound("there is no such element", code="activation.element_unknown", field="name", value=name)
