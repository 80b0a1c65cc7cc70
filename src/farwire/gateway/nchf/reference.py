"""The reference of a charging session: all that is needed to serve it, so that every gateway process can.

It is opaque to consumers and not signed: what it names is looked for in the tenant of the consumer's profile only,
and a session is found by an id of 128 bits that nobody can guess. It names the account by its number, never the person.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from struct import Struct
from struct import error as StructError  # noqa: N812 - it is an exception
from typing import Final

import msgspec

from farwire.gateway.nchf.problems import NO_SUCH_RESOURCE, Problem

KINDS: Final = ("data", "voice", "message", "event")
_ONLINE, _OFFLINE = 1, 2
"""The first octet: the form, and which service opened the session."""
_FORM: Final = Struct(">BBIqqqqq")
_LENGTH: Final = -(-_FORM.size * 8 // 6)


class Reference(msgspec.Struct, frozen=True):
    """One session."""

    tenant: int
    account: int
    session_hi: int
    session_lo: int
    began_at: int
    """The time that its first request told, in ms since 1970 UTC."""
    kind: str
    visited: str = ""
    """The visited PLMN at its beginning, for requests that do not name it again."""
    offline: bool = False
    """Nchf_OfflineOnlyCharging has opened it: no other service knows it."""

    def text(self) -> str:
        """Return it as a segment of a path."""
        visited = int(f"1{self.visited}") if self.visited else 0
        octets = _FORM.pack(
            _OFFLINE if self.offline else _ONLINE,
            KINDS.index(self.kind),
            visited,
            self.tenant,
            self.account,
            self.session_hi,
            self.session_lo,
            self.began_at,
        )
        return urlsafe_b64encode(octets).decode().rstrip("=")


def read_reference(text: str, *, tenant: int, offline: bool = False) -> Reference:
    """Return the session of a reference of that tenant and service. Raises ``Problem`` (404): it is none."""
    try:
        octets = (
            urlsafe_b64decode(text + "=" * (-len(text) % 4))
            if len(text) == _LENGTH and text.isascii()
            else b""
        )
        version, kind, visited, of, account, high, low, began_at = _FORM.unpack(octets)
        if version == (_OFFLINE if offline else _ONLINE) and of == tenant and account >= 0:
            return Reference(tenant, account, high, low, began_at, KINDS[kind], str(visited)[1:], offline)
    except (ValueError, StructError, IndexError) as error:
        raise Problem(NO_SUCH_RESOURCE, "there is no such charging data resource") from error
    raise Problem(NO_SUCH_RESOURCE, "there is no such charging data resource")
