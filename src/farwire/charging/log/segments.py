"""Segments: files of one size, preallocated, written once from front to end, then recycled under a new number.

A segment begins with a block that names its format, shard, epoch, number and the sequence that follows. It is written
and synced under the name of a spare, and only then gets its name: a named segment has a whole header or is damaged.
"""

from __future__ import annotations

import re
import struct
from collections import deque
from dataclasses import dataclass
from threading import Lock
from typing import Final
from zlib import crc32

from farwire.charging.log.codec import Place, encode, padded, size_of
from farwire.charging.log.disk import BLOCK, Disk, DiskFile
from farwire.charging.log.port import Batch, LogDamaged
from farwire.kernel.errors import Exhausted, check

FORMAT: Final = 1
SEGMENT_BYTES: Final = 64 << 20
KEPT_SPARES: Final = 16
"""Segments that are kept for reuse at most: as many as a shard fills between two snapshots."""
_MAGIC: Final = b"FWSEGMT1"
_PREFIX: Final = struct.Struct("<8s7qI")
_CRC: Final = struct.Struct("<I")
_NAME: Final = re.compile(r"segment-(\d{12})\.log")
_SPARE: Final = re.compile(r"spare-(\d{12})\.log")
_MAKING: Final = "making.log"


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """The first block of a segment: ``first`` is the sequence that follows, ``previous`` the checksum before it."""

    shard: int
    epoch: int
    number: int
    first: int
    synced: int
    size: int
    previous: int

    @property
    def name(self) -> str:
        """Return the file's name."""
        return segment_name(self.number)

    def encode(self) -> bytes:
        """Return the header's bytes."""
        prefix = _PREFIX.pack(
            *(_MAGIC, FORMAT, self.shard, self.epoch, self.number, self.first, self.synced, self.size),
            self.previous,
        )
        return (prefix + _CRC.pack(crc32(prefix))).ljust(BLOCK, b"\0")


@dataclass(frozen=True, slots=True)
class End:
    """Where a log ends: its last sequence and checksum, and the highest number that a segment ever had."""

    last: int = 0
    crc: int = 0
    segment: int = 0


def segment_name(number: int) -> str:
    """Return the name of a segment's file."""
    return f"segment-{number:012}.log"


def read_header(disk: Disk, name: str, shard: int) -> SegmentHeader:
    """Return the header of a segment. Raises ``LogDamaged`` (``charging.log_damaged``, ``charging.log_format``)."""
    file = disk.open(name)
    try:
        data = file.pread(BLOCK, 0)
    finally:
        file.close()
    whole = len(data) == BLOCK and data[:8] == _MAGIC
    if not whole or crc32(data[: _PREFIX.size]) != _CRC.unpack_from(data, _PREFIX.size)[0]:
        raise LogDamaged(
            f"{disk.label(name)}, offset 0: the header of the segment is damaged",
            field="file",
            value=name,
            fix="restore the folder of the log from a backup, or take over from a standby",
        )
    _, version, of_shard, epoch, number, first, synced, size, previous = _PREFIX.unpack_from(data)
    if version != FORMAT or of_shard != shard or segment_name(number) != name:
        raise LogDamaged(
            f"{disk.label(name)}: format {version}, shard {of_shard}, number {number} is not format {FORMAT} of "
            f"shard {shard} under this name",
            code="charging.log_format",
            field="file",
            value=name,
            fix="start the version of Farwire that wrote it, or give the shard its own folder",
        )
    return SegmentHeader(of_shard, epoch, number, first, synced, size, previous)


def headers(disk: Disk, shard: int) -> list[SegmentHeader]:
    """Return the headers of all segments, in the order of their numbers."""
    return [read_header(disk, name, shard) for name in disk.names() if _NAME.fullmatch(name)]


def check_fits(batch: Batch, segment_bytes: int) -> None:
    """Raise ``Exhausted`` (``charging.batch_too_large``) unless a segment has room for the batch."""
    space = padded(size_of(batch))
    if space > segment_bytes - BLOCK:
        raise Exhausted(
            f"a batch of {space:,} bytes does not fit a segment of {segment_bytes:,}",
            code="charging.batch_too_large",
            fix="append smaller batches, or raise the size of the segments",
        )


class SegmentWriter:
    """Writes batches behind each other: one write and one sync each. For one thread; ``prepare`` may run in another."""

    def __init__(
        self, disk: Disk, *, shard: int, epoch: int, segment_bytes: int, end: End, sync: bool
    ) -> None:
        self._disk = disk
        self._shard = shard
        self._epoch = epoch
        self._size = segment_bytes
        self._sync = sync
        self._number = end.segment
        self._crc = end.crc
        self._last = end.last
        self._synced = end.last
        self._offset = 0
        self._file: DiskFile | None = None
        self.kept = tuple(headers(disk, shard))
        """The segments on the disk, the open one last. Readers in other threads take it as it is."""
        names = disk.names()
        if _MAKING in names:
            disk.remove(_MAKING)
        self._spares = deque(name for name in names if _SPARE.fullmatch(name))
        self._preparing = Lock()
        self._made = max((int(name[6:18]) for name in self._spares), default=0)

    @property
    def place(self) -> Place:
        """Return where the next batch goes."""
        return Place(self._number, self._offset)

    @property
    def label(self) -> str:
        """Return the file and offset of the next batch, for people."""
        return f"{self._disk.label(segment_name(self._number))}, offset {self._offset}"

    def write(self, batch: Batch) -> None:
        """Write a batch and make it durable. Raises ``OSError``."""
        check(batch.first == self._last + 1, "charging.batch_sequence")
        space = padded(size_of(batch))
        if self._file is None or self._offset + space > self._size:
            self.roll()
        data, crc = encode(
            batch, shard=self._shard, place=self.place, synced=self._synced, previous=self._crc
        )
        assert self._file is not None  # noqa: S101 - roll() has opened it
        self._file.pwrite(data.ljust(space, b"\0"), self._offset)
        self._crc, self._last = crc, batch.last
        if self._sync:
            self.sync()
        self._offset += space

    def sync(self) -> None:
        """Make everything written durable, whatever the durability."""
        if self._file is not None:
            self._file.sync()
        self._synced = self._last

    def roll(self) -> None:
        """Begin the next segment in a spare one."""
        self.sync()
        self.close()
        self.prepare()
        spare = self._spares.popleft()
        number = self._number + 1
        header = SegmentHeader(
            *(self._shard, self._epoch, number, self._last + 1, self._synced, self._size, self._crc)
        )
        file = self._disk.open(spare)
        if file.size() != self._size:  # made when segments had another size
            file.preallocate(self._size)
            file.truncate(self._size)
        file.pwrite(header.encode(), 0)
        file.sync()
        self._disk.rename(spare, header.name)
        self._disk.sync_names()
        self._file, self._number, self._offset = file, number, BLOCK
        self.kept = (*self.kept, header)

    def prepare(self, spares: int = 1) -> None:
        """Make spare segments until there are so many: a full disk is met here, before a batch needs the place."""
        with self._preparing:
            while len(self._spares) < spares:
                self._prepare_one()

    def _prepare_one(self) -> None:
        file = self._disk.open(_MAKING, create=True)
        try:
            file.preallocate(self._size)
        finally:
            file.close()
        self._made += 1
        name = f"spare-{self._made:012}.log"
        self._disk.rename(_MAKING, name)
        self._disk.sync_names()
        self._spares.append(name)

    def give_back(self, found: SegmentHeader) -> None:
        """Turn a segment that nobody needs into a spare, or remove it if there are enough."""
        self.kept = tuple(header for header in self.kept if header.number != found.number)
        if len(self._spares) >= KEPT_SPARES:
            self._disk.remove(found.name)
        else:
            with self._preparing:
                self._made += 1
                name = f"spare-{self._made:012}.log"
                self._disk.rename(found.name, name)
                self._spares.append(name)
        self._disk.sync_names()

    def close(self) -> None:
        """Close the open segment."""
        if self._file is not None:
            self._file.close()
            self._file = None
