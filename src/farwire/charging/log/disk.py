"""The port ``Disk`` under the file log, and the real one. A simulator puts a virtual disk in its place."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final, Protocol

from farwire.charging.log.port import Fenced

BLOCK: Final = 4096
_ZEROS: Final = bytes(1 << 20)
_SYNC: Final = getattr(os, "fdatasync", os.fsync)


class DiskFile(Protocol):
    """An open file. Positions and sizes are bytes."""

    @property
    def name(self) -> str:
        """Return the name that it was opened by."""

    def pread(self, size: int, offset: int) -> bytes:
        """Return up to ``size`` bytes; fewer only at the end of the file."""

    def pwrite(self, data: bytes | memoryview, offset: int) -> None:
        """Write all of ``data``. It survives the machine only after ``sync``. Raises ``OSError``."""

    def sync(self) -> None:
        """Make what was written durable. Raises ``OSError``; what was written before is then unknown."""

    def preallocate(self, size: int) -> None:
        """Give the file ``size`` bytes, written with zeros, so that writing inside it changes no metadata."""

    def truncate(self, size: int) -> None:
        """Cut the file, or lengthen it with zeros."""

    def size(self) -> int:
        """Return its length."""

    def close(self) -> None:
        """Close it; nothing is synced."""


class Disk(Protocol):
    """A folder of files without subfolders."""

    def label(self, name: str) -> str:
        """Return how people find the file: its path."""

    def open(self, name: str, *, create: bool = False) -> DiskFile:
        """Open for reading and writing. Raises ``FileNotFoundError`` unless ``create``, which empties the file."""

    def names(self) -> list[str]:
        """Return the names of all files, sorted."""

    def rename(self, old: str, new: str) -> None:
        """Give a file another name, replacing what has it. Durable after ``sync_names``."""

    def remove(self, name: str) -> None:
        """Remove a file. Durable after ``sync_names``."""

    def sync_names(self) -> None:
        """Make creations, renames and removals durable."""

    def lock(self, name: str) -> None:
        """Keep every other process out until this one ends. Raises ``Fenced`` (``charging.log_locked``)."""

    def unlock(self) -> None:
        """Let others in."""


class RealFile:
    """A file of the operating system."""

    __slots__ = ("_fd", "_name")

    def __init__(self, fd: int, name: str) -> None:
        self._fd = fd
        self._name = name

    @property
    def name(self) -> str:
        """Return the name that it was opened by."""
        return self._name

    def pread(self, size: int, offset: int) -> bytes:
        """Return up to ``size`` bytes; a signal or the kernel's limit of one read does not shorten it."""
        data = os.pread(self._fd, size, offset)
        if len(data) in (size, 0):
            return data
        parts = [data]
        while data and sum(map(len, parts)) < size:
            have = sum(map(len, parts))
            data = os.pread(self._fd, size - have, offset + have)
            parts.append(data)
        return b"".join(parts)

    def pwrite(self, data: bytes | memoryview, offset: int) -> None:
        """Write all of ``data``; a short write goes on where it ended."""
        done = os.pwrite(self._fd, data, offset)
        while done < len(data):
            done += os.pwrite(self._fd, memoryview(data)[done:], offset + done)

    def sync(self) -> None:
        """Make what was written durable."""
        _SYNC(self._fd)

    def preallocate(self, size: int) -> None:
        """Write zeros: blocks that are only reserved would change metadata when they are first written."""
        for offset in range(0, size, len(_ZEROS)):
            self.pwrite(memoryview(_ZEROS)[: min(len(_ZEROS), size - offset)], offset)
        os.fsync(self._fd)

    def truncate(self, size: int) -> None:
        """Cut the file, or lengthen it with zeros."""
        os.ftruncate(self._fd, size)

    def size(self) -> int:
        """Return its length."""
        return os.fstat(self._fd).st_size

    def close(self) -> None:
        """Close it."""
        os.close(self._fd)


class RealDisk:
    """A folder of the operating system."""

    __slots__ = ("_folder", "_lock")

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = -1
        folder.mkdir(parents=True, exist_ok=True)

    def label(self, name: str) -> str:
        """Return the path of a file."""
        return str(self._folder / name)

    def open(self, name: str, *, create: bool = False) -> RealFile:
        """Open for reading and writing."""
        flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT | os.O_TRUNC if create else 0)
        return RealFile(os.open(self._folder / name, flags, 0o600), name)

    def names(self) -> list[str]:
        """Return the names of all files, sorted."""
        return sorted(path.name for path in self._folder.iterdir())

    def rename(self, old: str, new: str) -> None:
        """Give a file another name."""
        (self._folder / old).replace(self._folder / new)

    def remove(self, name: str) -> None:
        """Remove a file."""
        (self._folder / name).unlink()

    def sync_names(self) -> None:
        """Sync the folder itself."""
        fd = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def lock(self, name: str) -> None:
        """Lock a file of the folder; the kernel unlocks it when the process ends, however it ends."""
        fd = os.open(self._folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(fd)
            raise Fenced(
                "another process writes this log",
                code="charging.log_locked",
                field="folder",
                value=self._folder,
                fix="stop the other process, or give this shard a folder of its own",
            ) from error
        self._lock = fd

    def unlock(self) -> None:
        """Close the locked file."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
