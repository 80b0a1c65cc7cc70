"""States: which one a thing may begin in, and which may follow which."""

from __future__ import annotations

from farwire.base.tmf.descriptor import Descriptor
from farwire.base.tmf.resource import Document
from farwire.kernel.errors import Invalid


def starting_state(descriptor: Descriptor, document: Document) -> Document:
    """Return the attribute of the first state for a new ``document``, given by the client or the initial one."""
    lifecycle = descriptor.lifecycle
    if lifecycle is None:
        return {}
    return {lifecycle.attribute: document.get(lifecycle.attribute) or lifecycle.initial}


def check_transition(descriptor: Descriptor, after: Document, before: Document | None) -> None:
    """Raise ``Invalid`` (422) with the allowed states if ``after`` may not be in its state. The same one is fine."""
    lifecycle = descriptor.lifecycle
    if lifecycle is None:
        return
    name = lifecycle.attribute
    new, old = after.get(name), None if before is None else before.get(name)
    if new == old:
        return
    allowed = lifecycle.states if lifecycle.any_on_create else (lifecycle.initial,)
    if old is not None:
        allowed = lifecycle.next.get(old, lifecycle.states)
    if new in allowed:
        return
    known = new in lifecycle.states
    why = f"{old} is not followed by {new}" if old and known else f"{descriptor.type} cannot be {new!r}"
    fix = "use one of: " + ", ".join(allowed) if allowed else "this state is final"
    code = "tmf.transition" if known else "tmf.state_unknown"
    raise Invalid(why, code=code, field=f"$.{name}", value=new, fix=fix)
