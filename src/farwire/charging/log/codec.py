"""The bytes of a batch, the same in a file and in a row.

Header of 128 bytes, then slots, images, facts; in a file filled up to whole blocks, so that no block that holds durable
bytes is ever written again. The header says where it belongs (segment and offset): bytes of an earlier life of a
recycled file never pass for new ones. It names the checksum of the batch before it, and the last sequence that was
durable when it was written: damage below that one is no torn end, but a loss.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from farwire.charging.log.disk import BLOCK
from farwire.charging.log.port import RECORD_BYTES, SLOT_BYTES, Batch

MAGIC: Final = b"FWBATCH1"
HEADER_BYTES: Final = 128
_PREFIX: Final = struct.Struct("<8s9qI")
_CRC: Final = struct.Struct("<I")
_HEADER: Final = struct.Struct("<8s9qII")
_FILL: Final = bytes(HEADER_BYTES - _HEADER.size)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a batch stands: segment and offset in a file; (0, 0) in a row."""

    segment: int
    offset: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A batch that was read back and whose checksum is right."""

    shard: int
    epoch: int
    place: Place
    first: int
    last: int
    synced: int
    previous: int
    crc: int
    size: int
    data: memoryview
    images_at: int
    facts_at: int

    @property
    def slots(self) -> NDArray[np.int64]:
        """Return the slots, without copying."""
        count = (self.images_at - HEADER_BYTES) // SLOT_BYTES
        return np.frombuffer(self.data, np.int64, count, HEADER_BYTES)

    @property
    def images(self) -> NDArray[np.int64]:
        """Return the images as a matrix, without copying."""
        count = (self.facts_at - self.images_at) // SLOT_BYTES
        return np.frombuffer(self.data, np.int64, count, self.images_at).reshape(
            -1, RECORD_BYTES // SLOT_BYTES
        )

    @property
    def facts(self) -> bytes:
        """Return the facts."""
        return bytes(self.data[self.facts_at :])

    def batch(self) -> Batch:
        """Return a copy as it was appended."""
        slots = bytes(self.data[HEADER_BYTES : self.images_at])
        images = bytes(self.data[self.images_at : self.facts_at])
        return Batch(self.epoch, self.first, self.last, slots, images, self.facts)


def size_of(batch: Batch) -> int:
    """Return the bytes of a batch, without filling."""
    return HEADER_BYTES + len(batch.slots) + len(batch.images) + len(batch.facts)


def padded(size: int) -> int:
    """Return ``size`` in whole blocks."""
    return -(-size // BLOCK) * BLOCK


def encode(batch: Batch, *, shard: int, place: Place, synced: int, previous: int) -> tuple[bytes, int]:
    """Return the bytes of a batch, without filling, and their checksum."""
    prefix = _PREFIX.pack(
        MAGIC,
        *(shard, batch.epoch, place.segment, place.offset, batch.first, batch.last, synced),
        *(len(batch.slots) // SLOT_BYTES, len(batch.facts), previous),
    )
    crc = crc32(batch.facts, crc32(batch.images, crc32(batch.slots, crc32(prefix))))
    return b"".join((prefix, _CRC.pack(crc), _FILL, batch.slots, batch.images, batch.facts)), crc


def declared_size(data: memoryview, at: int) -> int:
    """Return how many bytes the batch at ``at`` says that it has, or 0 if none begins there."""
    if len(data) - at < HEADER_BYTES:
        return 0
    fields = _HEADER.unpack_from(data, at)
    images, facts = fields[8], fields[9]
    if fields[0] != MAGIC or images < 0 or facts < 0:
        return 0
    return HEADER_BYTES + int(images) * (SLOT_BYTES + RECORD_BYTES) + int(facts)


def decode(data: memoryview, at: int) -> Entry | None:
    """Return the batch that begins at ``at``, or ``None`` if it is not whole."""
    size = declared_size(data, at)
    if not size or at + size > len(data):
        return None
    _, shard, epoch, segment, offset, first, last, synced, images, _, previous, crc = _HEADER.unpack_from(
        data, at
    )
    found = crc32(data[at + HEADER_BYTES : at + size], crc32(data[at : at + _PREFIX.size]))
    if found != crc or not 0 < first <= last or epoch <= 0:
        return None
    images_at = HEADER_BYTES + images * SLOT_BYTES
    return Entry(
        *(shard, epoch, Place(segment, offset), first, last, synced, previous, crc, size),
        *(data[at : at + size], images_at, images_at + images * RECORD_BYTES),
    )
