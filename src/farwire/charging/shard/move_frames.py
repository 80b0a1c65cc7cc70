"""Frames of a hand-over, on the same front as everything else (``frames.py`` has envelope and versions).

===== ======== =================================================================================================
op    request  body after the envelope: ``virtual shard i64 | epoch i64 | first i64 | second i64``, then bytes
===== ======== =================================================================================================
16    DEPART   –
17    EXPORT   first: the place of the first record wanted
18    BRING    first: the place of the first record; bytes: records
19    ARRIVE   first: how many records; second: their CRC-32
20    SETTLE   –
===== ======== =================================================================================================

A record is its slot (i64) and its 64 bytes. Answers have status 4, ``first i64 | second i64`` and bytes: DEPART the
number of records and their CRC-32; EXPORT records; SETTLE the shard that is the home now. Status 5 is a refusal:
its code, a NUL, its words, in UTF-8. Like all of this front they are for machines of the operator on a private network.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from struct import Struct
from types import MappingProxyType
from typing import Final

from farwire.charging.shard.frames import ANSWER, ENVELOPE, LENGTH, VERSION
from farwire.charging.shard.handover import CARRIED_BYTES, Desk, Manifest
from farwire.kernel.errors import Conflict, Exhausted, FarwireError, Invalid, Unavailable

DEPART, EXPORT, BRING, ARRIVE, SETTLE = 16, 17, 18, 19, 20
HANDED, REFUSED = 4, 5
_ASKED: Final = Struct("<4q")
_HANDED: Final = Struct("<2q")
_KINDS: Final = MappingProxyType(
    {"charging.vshard_moved": Conflict, "charging.arena_full": Exhausted, "charging.vshard": Invalid}
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a mover asks of one side."""

    operation: int
    vshard: int
    epoch: int = 0
    first: int = 0
    second: int = 0
    records: bytes = b""


@dataclass(frozen=True, slots=True)
class Handed:
    """What a side answers."""

    first: int = 0
    second: int = 0
    records: bytes = b""


def is_hand_over(operation: int) -> bool:
    """Tell whether a frame belongs to a hand-over."""
    return DEPART <= operation <= SETTLE


def encode_asked(correlation: int, asked: Asked) -> bytes:
    """Return the frame, length included."""
    body = ENVELOPE.pack(asked.operation, VERSION, 0, 0, correlation, 0)
    body += _ASKED.pack(asked.vshard, asked.epoch, asked.first, asked.second) + asked.records
    return LENGTH.pack(len(body)) + body


def decode_asked(operation: int, body: bytes) -> Asked:
    """Return what a body asks. Raises ``Invalid`` (``charging.frame``)."""
    records = body[ENVELOPE.size + _ASKED.size :]
    if len(body) < ENVELOPE.size + _ASKED.size or len(records) % CARRIED_BYTES:
        raise Invalid(f"a frame of {len(body)} bytes makes no sense", code="charging.frame")
    vshard, epoch, first, second = _ASKED.unpack_from(body, ENVELOPE.size)
    return Asked(operation, vshard, epoch, first, second, records)


async def answer_to(desk: Desk, asked: Asked) -> Handed:
    """Do what is asked. Raises what ``Side`` raises."""
    vshard, epoch = asked.vshard, asked.epoch
    if asked.operation == DEPART:
        manifest = await desk.depart(vshard, epoch)
        return Handed(manifest.records, manifest.checksum)
    if asked.operation == EXPORT:
        return Handed(records=await desk.export(vshard, epoch, asked.first))
    if asked.operation == BRING:
        await desk.bring(vshard, epoch, asked.first, asked.records)
    elif asked.operation == ARRIVE:
        await desk.arrive(vshard, epoch, Manifest(asked.first, asked.second))
    else:
        return Handed(await desk.settle(vshard))
    return Handed()


def encode_handed(operation: int, correlation: int, handed: Handed | FarwireError) -> bytes:
    """Return the frame of an answer or a refusal, length included."""
    if isinstance(handed, FarwireError):
        status, body = REFUSED, f"{handed.code}\0{handed.message}".encode()
    else:
        status, body = HANDED, _HANDED.pack(handed.first, handed.second) + handed.records
    head = ANSWER.pack(operation, VERSION, status, 0, correlation, 0)
    return LENGTH.pack(len(head) + len(body)) + head + body


def decode_handed(body: bytes) -> tuple[int, Handed]:
    """Return correlation and answer. Raises what the side raised, or ``Unavailable`` (``charging.no_hand_over``)."""
    _, _, status, _, correlation, _ = ANSWER.unpack_from(body)
    rest = body[ANSWER.size :]
    if status == HANDED:
        first, second = _HANDED.unpack_from(rest)
        return correlation, Handed(first, second, rest[_HANDED.size :])
    code, _, message = rest.decode(errors="replace").partition("\0")
    kind = _KINDS.get(code, Unavailable)
    raise kind(message or "it cannot hand over", code=code or "charging.no_hand_over")


class RemoteSide:
    """The side of a shard behind its front. ``ask`` sends a frame and returns the body of its answer."""

    def __init__(self, ask: Callable[[bytes], Awaitable[bytes]]) -> None:
        self._ask = ask
        self._last = 0

    async def _asked(self, asked: Asked) -> Handed:
        self._last += 1
        correlation, handed = decode_handed(await self._ask(encode_asked(self._last, asked)))
        if correlation != self._last:
            raise Unavailable("an answer to something else", code="charging.no_hand_over")
        return handed

    async def depart(self, vshard: int, epoch: int) -> Manifest:
        """See ``Side``."""
        handed = await self._asked(Asked(DEPART, vshard, epoch))
        return Manifest(handed.first, handed.second)

    async def export(self, vshard: int, epoch: int, first: int) -> bytes:
        """See ``Side``."""
        return (await self._asked(Asked(EXPORT, vshard, epoch, first))).records

    async def bring(self, vshard: int, epoch: int, first: int, records: bytes) -> None:
        """See ``Side``."""
        await self._asked(Asked(BRING, vshard, epoch, first, 0, records))

    async def arrive(self, vshard: int, epoch: int, manifest: Manifest) -> None:
        """See ``Side``."""
        await self._asked(Asked(ARRIVE, vshard, epoch, manifest.records, manifest.checksum))

    async def settle(self, vshard: int) -> int:
        """See ``Side``."""
        return (await self._asked(Asked(SETTLE, vshard))).first


__all__ = [
    "SETTLE",
    "Asked",
    "Handed",
    "RemoteSide",
    "answer_to",
    "decode_asked",
    "encode_handed",
    "is_hand_over",
]
