"""Reading segments back: batch by batch, each checked against the one before; a torn end is cut, a hole is an error."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from farwire.charging.log.codec import MAGIC, Entry, declared_size, decode, padded
from farwire.charging.log.disk import BLOCK, Disk, DiskFile
from farwire.charging.log.port import LogDamaged
from farwire.charging.log.segments import End, SegmentHeader

WHOLE: Final = 1 << 20
"""Bytes per read of a recovery: what is read is still in the cache of the core when it is checked and copied."""
_MAGIC_WORD: Final = struct.unpack("<q", MAGIC)[0]


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Where a reader stopped, so that it needs not read the segment from its front again."""

    last: int
    crc: int
    segment: int
    offset: int


class Scan:
    """The batches of a log with sequences above ``after``. ``end`` says how far it came."""

    def __init__(
        self,
        disk: Disk,
        segments: Sequence[SegmentHeader],
        *,
        after: int,
        until: int | None = None,
        piece: int = WHOLE,
        bookmark: Bookmark | None = None,
    ) -> None:
        """With ``until`` reading stops there and the end of the log, which still moves, is not judged."""
        self._disk = disk
        self._after = after
        self._until = until
        self._piece = piece
        self._begin = BLOCK
        self._stopped = BLOCK
        self._segment = 0
        self.epoch = 0
        highest = max((header.number for header in segments), default=0)
        marked = [header for header in segments if bookmark and header.number >= bookmark.segment]
        if bookmark and bookmark.last == after and marked and marked[0].number == bookmark.segment:
            self.chosen: Sequence[SegmentHeader] = marked
            self.end = End(after, bookmark.crc, highest)
            self._begin = bookmark.offset
            return
        start = [index for index, header in enumerate(segments) if header.first <= after + 1]
        if not start and (segments or after or until):
            raise _gone(after, segments[0].first if segments else None)
        self.chosen = segments[start[-1] :] if start else ()
        self.end = End(after, 0, highest)
        if self.chosen:
            self.end = End(self.chosen[0].first - 1, self.chosen[0].previous, highest)

    @property
    def bookmark(self) -> Bookmark:
        """Return where the next reader that wants what follows may begin."""
        return Bookmark(self.end.last, self.end.crc, self._segment, self._stopped)

    def __iter__(self) -> Iterator[Entry]:
        for index, header in enumerate(self.chosen):
            offset = BLOCK if index else self._begin
            follows = header.first == self.end.last + 1 and header.previous == self.end.crc
            if offset == BLOCK and not (follows and header.epoch >= self.epoch):
                raise self._lost(self.chosen[max(index - 1, 0)], self._stopped, header.first)
            self.epoch, self._segment, self._stopped = header.epoch, header.number, offset
            try:
                file = self._disk.open(header.name)
            except FileNotFoundError as error:  # recycled since the list of segments was made
                raise _gone(self._after, None) from error
            try:
                yield from self._segment_entries(file, header, offset)
                if self._until is not None and self.end.last >= self._until:
                    return
                if header is self.chosen[-1] and self._until is None:
                    self._judge_end(file, header)
            finally:
                file.close()
        if self._until is not None and self._until > self.end.last:
            raise self._lost(self.chosen[-1], self._stopped, self._until)

    def _segment_entries(self, file: DiskFile, header: SegmentHeader, offset: int) -> Iterator[Entry]:
        """Yield batches that follow each other, up to ``until`` or the first place where none does."""
        for entry in whole_entries(file, header, offset, self._piece):
            follows = entry.first == self.end.last + 1 and entry.previous == self.end.crc
            if not follows or entry.epoch != header.epoch or entry.shard != header.shard:
                raise self._lost(header, entry.place.offset, entry.first)
            self.end = End(entry.last, entry.crc, self.end.segment)
            self._stopped = entry.place.offset + padded(entry.size)
            if entry.last > self._after:
                yield entry
            if self._until is not None and entry.last >= self._until:
                return

    def _judge_end(self, file: DiskFile, header: SegmentHeader) -> None:
        """Raise if a later batch of this segment was written when the one that is missing here was durable."""
        data = memoryview(file.pread(header.size - self._stopped, self._stopped))
        words = np.frombuffer(data[: len(data) // BLOCK * BLOCK], np.int64).reshape(-1, BLOCK // 8)
        for block in np.flatnonzero(words[:, 0] == _MAGIC_WORD).tolist():
            entry = decode(data, block * BLOCK)
            here = self._stopped + block * BLOCK
            if entry is None or (entry.place.segment, entry.place.offset) != (header.number, here):
                continue
            if entry.synced > self.end.last:
                raise self._lost(header, self._stopped, entry.first)

    def _lost(self, header: SegmentHeader, offset: int, later: int) -> LogDamaged:
        missing = self.end.last + 1
        return LogDamaged(
            f"{self._disk.label(header.name)}, offset {offset}: the batch of sequence {missing} is damaged or missing, "
            f"though {later} was written after it was durable",
            field="file",
            value=header.name,
            fix="take over from a standby, or restore the log from a backup; do not delete the file",
        )


def _gone(after: int, first: int | None) -> LogDamaged:
    return LogDamaged(
        f"sequence {after + 1} is not in the log" + (f", which begins with {first}" if first else ""),
        code="charging.log_gone",
        field="after",
        value=after,
        fix="begin with a newer snapshot, or restore the segments from a backup",
    )


def whole_entries(file: DiskFile, header: SegmentHeader, offset: int, piece: int) -> Iterator[Entry]:
    """Yield the batches of a segment from ``offset`` on, up to the first place that holds none of its life."""
    base, data = offset, memoryview(b"")
    while offset < header.size:
        need = declared_size(data, offset - base)
        if not need or offset - base + need > len(data):
            wanted = min(max(piece, padded(need) if need else 0), header.size - offset)
            base, data = offset, memoryview(file.pread(wanted, offset))
            need = declared_size(data, 0)
            if len(data) < need <= header.size - offset:
                data = memoryview(file.pread(padded(need), offset))
        entry = decode(data, offset - base)
        if entry is None or (entry.place.segment, entry.place.offset) != (header.number, offset):
            return
        yield entry
        offset += padded(entry.size)
