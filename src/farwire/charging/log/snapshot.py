"""Snapshots: the arena in chunks, each with a checksum, and a mark that is written when all of them are durable.

The chunks are copied at different moments. That is repaired by the log: replay begins after ``sequence``, when the
first chunk was copied, and must come at least to ``through``, when the last one was.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Final
from zlib import crc32

import numpy as np

from farwire.charging.log.codec import padded
from farwire.charging.log.disk import Disk
from farwire.charging.log.port import RECORD_BYTES, LogDamaged, Records
from farwire.kernel.errors import Exhausted, check

FORMAT: Final = 1
CHUNK_RECORDS: Final = 16_384
"""Records that are copied at a time: 1 MiB, some 0.1 ms in which the shard waits."""
TEMPORARY: Final = "snapshot.tmp"
_MAGIC: Final = b"FWSNAPS1"
_PREFIX: Final = struct.Struct("<8s8q")
_CRC: Final = struct.Struct("<I")
_NAME: Final = re.compile(r"snapshot-(\d{20})\.arena")


@dataclass(frozen=True, slots=True)
class Mark:
    """What makes a snapshot whole: sequences, used records and the checksum of every chunk."""

    shard: int
    epoch: int
    sequence: int
    through: int
    used: int
    checksums: tuple[int, ...]
    chunk_records: int

    def encode(self) -> bytes:
        """Return the mark's bytes."""
        prefix = _PREFIX.pack(
            *(_MAGIC, FORMAT, self.shard, self.epoch, self.sequence, self.through, self.used),
            *(self.chunk_records, len(self.checksums)),
        )
        body = prefix + np.array(self.checksums, np.uint32).tobytes()
        return body + _CRC.pack(crc32(body))


class Chunks:
    """The chunks of an arena, copied one by one."""

    def __init__(self, records: Records, used: int, size: int = CHUNK_RECORDS) -> None:
        check(0 < used <= len(records), "charging.arena_capacity")
        self._records = records
        self.used = used
        self.size = size
        self.count = -(-used // size)
        self.next = 0

    @property
    def left(self) -> bool:
        """Return whether there are more."""
        return self.next < self.count

    def take(self) -> bytes:
        """Return a copy of the next chunk."""
        begin = self.next * self.size
        self.next += 1
        return self._records[begin : min(begin + self.size, self.used)].tobytes()


class Present:
    """The snapshot that is there already; see ``port.Snapshot``."""

    over = True

    def __init__(self, sequence: int) -> None:
        self._sequence = sequence

    def copy_chunk(self) -> bool:
        """Copy nothing."""
        return False

    async def finish(self) -> int:
        """Return its sequence."""
        return self._sequence


def decode_mark(data: bytes) -> Mark | None:
    """Return the mark that ``data`` begins with, or ``None`` if it is not whole."""
    if len(data) < _PREFIX.size or data[:8] != _MAGIC:
        return None
    _, version, shard, epoch, sequence, through, used, chunk_records, chunks = _PREFIX.unpack_from(data)
    end = _PREFIX.size + 4 * chunks
    if (
        version != FORMAT
        or chunks < 0
        or end + 4 > len(data)
        or crc32(data[:end]) != _CRC.unpack_from(data, end)[0]
    ):
        return None
    checksums = tuple(np.frombuffer(data, np.uint32, chunks, _PREFIX.size).tolist())
    return Mark(shard, epoch, sequence, through, used, checksums, chunk_records)


def mark_space(chunks: int) -> int:
    """Return the bytes that a file keeps for the mark before its chunks."""
    return padded(_PREFIX.size + 4 * chunks + 4)


def snapshot_name(sequence: int) -> str:
    """Return the name of a snapshot's file."""
    return f"snapshot-{sequence:020}.arena"


def snapshots(disk: Disk) -> list[int]:
    """Return the sequences of all named snapshots, newest first."""
    return sorted((int(found[1]) for name in disk.names() if (found := _NAME.fullmatch(name))), reverse=True)


def read_mark(disk: Disk, sequence: int) -> Mark | None:
    """Return the mark of a snapshot's file, or ``None`` if it is damaged."""
    file = disk.open(snapshot_name(sequence))
    try:
        data = file.pread(_PREFIX.size, 0)
        chunks = _PREFIX.unpack(data)[-1] if len(data) == _PREFIX.size else -1
        if not 0 <= chunks <= file.size():
            return None
        return decode_mark(file.pread(mark_space(chunks), 0))
    finally:
        file.close()


def load_file(disk: Disk, mark: Mark, records: Records) -> bool:
    """Copy a snapshot's file into ``records``; return False, and leave zeros, if a chunk is damaged."""
    file = disk.open(snapshot_name(mark.sequence))
    offset = mark_space(len(mark.checksums))
    size = mark.chunk_records * RECORD_BYTES
    try:
        for number in range(len(mark.checksums)):
            if not load_chunk(mark, number, file.pread(size, offset + number * size), records):
                return False
    finally:
        file.close()
    return True


def load_chunk(mark: Mark, number: int, data: bytes, records: Records) -> bool:
    """Copy a chunk into ``records``; return False, and leave zeros everywhere, if it is damaged.

    Raises ``Exhausted`` (``charging.arena_full``) if the arena is smaller than the snapshot.
    """
    if mark.used > len(records):
        raise arena_full(mark.used, len(records))
    begin = number * mark.chunk_records
    count = min(mark.chunk_records, mark.used - begin)
    data = data[: count * RECORD_BYTES]
    if len(data) != count * RECORD_BYTES or crc32(data) != mark.checksums[number]:
        records[:begin] = 0
        return False
    records[begin : begin + count] = np.frombuffer(data, np.int64).reshape(count, -1)
    return True


def arena_full(used: int, capacity: int) -> Exhausted:
    """Return the error of an arena that is smaller than what it must hold."""
    return Exhausted(
        f"the log holds {used:,} records, the arena has room for {capacity:,}",
        code="charging.arena_full",
        fix="start the shard with more records",
    )


def too_short(last: int, mark: Mark, where: str) -> LogDamaged:
    """Return the error of a log that ends before its own snapshot does."""
    return LogDamaged(
        f"{where}: the log ends with sequence {last}, but the snapshot of {mark.sequence} has seen {mark.through}",
        field="last",
        value=last,
        fix="restore the missing segments from a backup, or take over from a standby",
    )
