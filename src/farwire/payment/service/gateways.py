"""The secrets with which gateways sign their notices: kept, replaced, never shown again."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from farwire.base import audit
from farwire.base.storage import Tx
from farwire.kernel.errors import Invalid, NotFound
from farwire.kernel.tenancy import Actor
from farwire.payment.model import MethodKind
from farwire.payment.model.gateway import SECRET_BYTES
from farwire.payment.simulator import gateway_of
from farwire.payment.store import methods as store

SHORTEST: Final = 16
LONGEST: Final = 256
"""Octets of a secret; what is shorter could be guessed."""


async def gateway_secret(tx: Tx, *, method: MethodKind) -> bytes:
    """Return the secret with which the gateway of ``method`` signs its notices; make one where there is none.

    Raises ``Invalid`` (``payment.no_gateway``).
    """
    gateway_of(method)
    found = await store.gateway_secret(tx, method, secrets.token_bytes(SECRET_BYTES))
    if found is None:
        raise NotFound("the gateway has no secret", code="payment.gateway_unknown", field="method")
    return found


async def set_gateway_secret(tx: Tx, *, method: MethodKind, secret: str, now: datetime, actor: Actor) -> None:
    """Keep ``secret`` as that of the gateway of ``method``: from now on only what is signed with it is believed.

    Its octets in UTF-8 are the key. Raises ``Invalid`` (``payment.no_gateway``, ``payment.secret``).
    """
    gateway_of(method)
    key = secret.encode()
    if not SHORTEST <= len(key) <= LONGEST:
        raise Invalid(
            f"a gateway's secret has {SHORTEST} to {LONGEST} octets",
            code="payment.secret",
            field="secret",
            fix="copy it from the gateway's settings",
        )
    await store.set_gateway_secret(tx, method, key, now)
    await audit.record(
        tx, actor=actor, action="payment.gateway_secret_set", subject=method.value, at=now, detail={}
    )


async def new_gateway_secret(tx: Tx, *, method: MethodKind, now: datetime, actor: Actor) -> str:
    """Make a secret for the gateway of ``method``, keep it, and return it for the gateway to be told, this once.

    Raises ``Invalid`` (``payment.no_gateway``).
    """
    secret = secrets.token_urlsafe(SECRET_BYTES)
    await set_gateway_secret(tx, method=method, secret=secret, now=now, actor=actor)
    return secret


async def gateways(tx: Tx) -> Mapping[MethodKind, datetime | None]:
    """Return the methods whose gateway has a secret, and when somebody set it."""
    return await store.gateways(tx)
