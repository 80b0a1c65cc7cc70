"""A disk in memory that behaves as badly as disks may: what is not synced is lost or torn after a crash."""

from __future__ import annotations

import errno
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

SECTOR = 512
"""The most that a disk writes as a whole."""


class PowerCut(BaseException):
    """The machine lost its power in the middle of an operation. Not an error that anybody may catch."""


@dataclass
class _Content:
    """``seen`` is what programs read; ``durable`` is on the disk; ``pending`` what is on its way there."""

    seen: bytearray = field(default_factory=bytearray)
    durable: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes]] = field(default_factory=list)


class VirtualFile:
    def __init__(self, disk: VirtualDisk, name: str, content: _Content) -> None:
        self.name = name
        self._disk = disk
        self._content = content

    def pread(self, size: int, offset: int) -> bytes:
        return bytes(self._content.seen[offset : offset + size])

    def pwrite(self, data: bytes | memoryview, offset: int) -> None:
        if self._disk.full_for and self.name.startswith(self._disk.full_for):
            raise OSError(errno.ENOSPC, "No space left on device")
        self._disk.rest("writes")
        data = bytes(data)
        whole = self._disk.spend(len(data))
        part = data[:whole]
        _put(self._content.seen, offset, part)
        self._content.pending.append((offset, part))
        if whole < len(data):
            raise PowerCut

    def sync(self) -> None:
        self._disk.rest("syncs")
        if self._disk.spend(1) == 0:
            raise PowerCut
        self._disk.syncs += 1
        if self._disk.syncs == self._disk.fail_sync_at:
            self._disk.met["a sync failed"] += 1
            self._content.pending.clear()  # what Linux does: the pages count as clean, and the data is gone
            raise OSError(errno.EIO, "Input/output error")
        for offset, data in self._content.pending:
            _put(self._content.durable, offset, data)
        self._content.pending.clear()

    def preallocate(self, size: int) -> None:
        self._disk.rest("files")
        if self._disk.used() + size > self._disk.capacity:
            self._disk.met["the disk was full"] += 1
            raise OSError(errno.ENOSPC, "No space left on device")
        _put(self._content.seen, 0, bytes(size))
        _put(self._content.durable, 0, bytes(size))

    def truncate(self, size: int) -> None:
        del self._content.seen[size:]

    def size(self) -> int:
        return len(self._content.seen)

    def close(self) -> None:
        pass


class VirtualDisk:
    """``budget`` bytes may still be written before the power is cut; None for any number."""

    def __init__(self, seed: int = 0, capacity: int = 1 << 40) -> None:
        self.random = random.Random(seed)
        self.budget: int | None = None
        self.capacity = capacity
        self.syncs = 0
        self.fail_sync_at = 0
        self.pace: Callable[[], float] = lambda: 0.0
        """How many seconds the next act of the disk takes."""
        self.rest_for: Callable[[float], None] = lambda _: None
        """Lets that time pass, while others work: what is being synced is not durable meanwhile."""
        self.met: Counter[str] = Counter()
        """What has happened to whom it serves."""
        self.full_for = ""
        """The start of the names of files for which there is no room."""
        self._names: dict[str, _Content] = {}
        self._durable_names: dict[str, _Content] = {}
        self._changes: list[tuple[str, str, _Content]] = []

    def spend(self, size: int) -> int:
        """Return how much of ``size`` is done before the power is cut."""
        if self.budget is None:
            return size
        done = min(size, self.budget)
        self.budget -= done
        return done

    def rest(self, what: str) -> None:
        """Take the time that an act takes."""
        seconds = self.pace()
        if seconds:
            self.met[f"slow {what}"] += 1
            self.rest_for(seconds)

    def used(self) -> int:
        return sum(len(content.seen) for content in self._names.values())

    def label(self, name: str) -> str:
        return f"virtual/{name}"

    def open(self, name: str, *, create: bool = False) -> VirtualFile:
        if create:
            self._names[name] = _Content()
            self._changes.append(("create", name, self._names[name]))
        if name not in self._names:
            raise FileNotFoundError(errno.ENOENT, "No such file", name)
        return VirtualFile(self, name, self._names[name])

    def names(self) -> list[str]:
        return sorted(self._names)

    def rename(self, old: str, new: str) -> None:
        content = self._names.pop(old)
        self._names[new] = content
        self._changes.append((old, new, content))

    def remove(self, name: str) -> None:
        content = self._names.pop(name)
        self._changes.append((name, "", content))

    def sync_names(self) -> None:
        self.rest("names")
        if self.spend(1) == 0:
            raise PowerCut
        self._apply(len(self._changes))

    def lock(self, name: str) -> None:
        pass

    def unlock(self) -> None:
        pass

    def _apply(self, count: int) -> None:
        for old, new, content in self._changes[:count]:
            self._durable_names.pop(old, None)
            if new:
                self._durable_names[new] = content
        del self._changes[:count]

    def kill(self) -> None:
        """End the process: what it wrote stays with the kernel, and comes to the disk later."""
        self.budget = None

    def crash(self) -> None:
        """Cut the power: of each write that was not synced, some sectors arrive, or the front up to any byte."""
        self.budget = None
        self._apply(self.random.randint(0, len(self._changes)))
        self._changes.clear()
        self._names = dict(self._durable_names)
        for content in self._names.values():
            for offset, data in content.pending:
                arrived = self._arrives(data)
                whole = sum(len(part) for _, part in arrived) == len(data)
                self.met[
                    "a write arrived" if whole else "a write was torn" if arrived else "a write was lost"
                ] += 1
                for begin, part in arrived:
                    _put(content.durable, offset + begin, part)
            content.pending.clear()
            content.seen = bytearray(content.durable)

    def _arrives(self, data: bytes) -> list[tuple[int, bytes]]:
        kind = self.random.randrange(4)
        if kind == 0:
            return []
        if kind == 1:
            return [(0, data[: self.random.randint(0, len(data))])]
        sectors = range(0, len(data), SECTOR)
        lost = {self.random.choice(sectors)} if kind == 2 and sectors else set()
        return [
            (begin, data[begin : begin + SECTOR])
            for begin in sectors
            if begin not in lost and (kind == 2 or self.random.random() < 0.5)
        ]

    def flip(self, name: str, offset: int) -> None:
        """Damage one byte that was durable."""
        for kept in (self._names[name].seen, self._names[name].durable):
            kept[offset] ^= 0xFF


def _put(target: bytearray, offset: int, data: bytes) -> None:
    if len(target) < offset + len(data):
        target.extend(bytes(offset + len(data) - len(target)))
    target[offset : offset + len(data)] = data
