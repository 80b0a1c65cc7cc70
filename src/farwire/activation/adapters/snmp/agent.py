"""Requests to one SNMP agent: get, set, walk, and what its answers mean. Source: RFC 3416, RFC 3414."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, Final

from farwire.activation.adapters import Element
from farwire.activation.adapters.attempts import few_at_once, hush
from farwire.activation.adapters.settings import host_and_port, no_answer, refused, secret_of, unusable
from farwire.activation.adapters.snmp.mapping import Index, Settings

PORT: Final = 161
OBJECTS: Final = 20
"""In one request: an answer must fit into a packet."""
AT_ONCE: Final = 4
"""Requests that wait for their answers."""
WALK_MOST: Final = 100_000
_ANSWER_SHARE: Final = 0.2
"""Of the element's time, for one answer; packets are lost."""
_PASSING: Final = frozenset({"genErr", "resourceUnavailable", "commitFailed", "undoFailed"})
_STRANGER: Final = frozenset(
    {
        "UnknownUserName",
        "UnknownSecurityName",
        "WrongDigest",
        "AuthenticationFailure",
        "AuthenticationError",
        "DecryptionError",
        "UnsupportedSecurityLevel",
        "UnsupportedAuthProtocol",
        "UnsupportedPrivProtocol",
    }
)
"""Errors that say: not with these passphrases."""
_PROOFS: Final = {
    "sha": "HMACSHA",
    "sha224": "HMAC128SHA224",
    "sha256": "HMAC192SHA256",
    "sha384": "HMAC256SHA384",
    "sha512": "HMAC384SHA512",
}
"""What pysnmp calls the proofs. Source: RFC 7860."""


class Agent:
    """One agent, asked from one event loop. It remembers the keys and the clock of version 3."""

    def __init__(self, element: Element, settings: Settings) -> None:
        from pysnmp.hlapi.v3arch.asyncio import SnmpEngine

        hush("pysnmp")
        self.loop = asyncio.get_running_loop()
        self._element = element
        self._who = _credentials(element, settings)
        self._engine = SnmpEngine()
        self._transport: Any = None

    def close(self) -> None:
        """Forget the agent."""
        with contextlib.suppress(Exception):  # its loop may have ended
            self._engine.close_dispatcher()

    async def get(self, oids: Sequence[str]) -> dict[str, Any]:
        """Return the values of objects, without those that are not there."""
        from pysnmp.hlapi.v3arch.asyncio import get_cmd

        some = [oids[start : start + OBJECTS] for start in range(0, len(oids), OBJECTS)]
        answers = await few_at_once(
            lambda part: self._asked(get_cmd, [(oid, None) for oid in part]), some, AT_ONCE
        )
        return {str(name): value for answer in answers for name, value in answer if _is_there(value)}

    async def set(self, objects: Sequence[tuple[str, Any]]) -> None:
        """Set objects, all or none."""
        from pysnmp.hlapi.v3arch.asyncio import set_cmd

        await self._asked(set_cmd, objects)

    async def walk(self, oid: str) -> list[tuple[Index, Any]]:
        """Return the objects of a column, by index."""
        from pysnmp.hlapi.v3arch.asyncio import bulk_cmd

        root = tuple(int(number) for number in oid.split("."))
        found: list[tuple[Index, Any]] = []
        last = root
        while len(found) < WALK_MOST:
            answer = await self._asked(bulk_cmd, [(".".join(map(str, last)), None)], 0, OBJECTS)
            for name, value in answer:
                here = tuple(name)
                if here[: len(root)] != root or here <= last or not _is_there(value):
                    return found
                found.append((here[len(root) :], value))
                last = here
            if not answer:
                return found
        return found

    async def _asked(self, command: Any, objects: Sequence[tuple[str, Any]], *bulk: int) -> Any:
        from pysnmp.error import PySnmpError
        from pysnmp.hlapi.v3arch.asyncio import ContextData, ObjectIdentity, ObjectType

        bound = [
            ObjectType(ObjectIdentity(oid), *(() if value is None else (value,))) for oid, value in objects
        ]
        try:
            transport = self._transport or await self._reached()
            self._transport = transport
            wrong, status, _, answer = await command(
                self._engine, self._who, transport, ContextData(), *bulk, *bound, lookupMib=False
            )
        except (PySnmpError, OSError) as error:
            raise no_answer(self._element, type(error).__name__) from None
        if wrong is not None:
            name = type(wrong).__name__
            if name in _STRANGER:
                raise unusable("credentials", f"it does not let us in with them ({name})")
            raise no_answer(self._element, name)
        if status:
            name = status.prettyPrint()
            raise no_answer(self._element, name) if name in _PASSING else refused(self._element, name)
        return answer

    async def _reached(self) -> Any:
        from pysnmp.hlapi.v3arch.asyncio import Udp6TransportTarget, UdpTransportTarget

        host, port = host_and_port(self._element, PORT)
        kind = Udp6TransportTarget if ":" in host else UdpTransportTarget
        wait_s = self._element.timeout_s * _ANSWER_SHARE
        return await kind.create((host, port), timeout=wait_s, retries=0)


def _is_there(value: Any) -> bool:
    return type(value).__name__ not in ("NoSuchObject", "NoSuchInstance", "EndOfMibView")


def _credentials(element: Element, settings: Settings) -> Any:
    from pysnmp.hlapi.v3arch import asyncio as snmp

    secret = secret_of(element)
    if settings.version == "2c":
        return snmp.CommunityData(secret, mpModel=1)  # noqa: S508 - many access nodes speak nothing else
    lines = [line.strip() for line in secret.splitlines()]
    if len(lines) != 2 or min(len(line) for line in lines) < 8:
        raise unusable("credentials", "version 3 needs two lines: passphrases of at least 8 characters")
    proof = getattr(snmp, f"usm{_PROOFS[settings.authentication]}AuthProtocol")
    cipher = getattr(snmp, f"usmAesCfb{settings.privacy.removeprefix('aes')}Protocol")
    return snmp.UsmUserData(settings.user, *lines, authProtocol=proof, privProtocol=cipher)
