"""The unprivileged user that owns and runs the embedded server when Farwire itself runs as root."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from farwire.base.storage.errors import PlaceRefused

SERVER_USER: Final = "farwire"
FALLBACK_USER: Final = "nobody"


@dataclass(frozen=True, slots=True)
class OsUser:
    """A user of the operating system."""

    name: str
    uid: int
    gid: int

    @property
    def is_me(self) -> bool:
        """Tell whether this process already runs as this user."""
        return self.uid == os.geteuid()

    def can_enter(self, folder: Path) -> Path | None:
        """Return the first folder on the way to ``folder`` that keeps this user out, or ``None``."""
        for part in (*reversed(folder.parents), folder):
            try:
                found = part.stat()
            except FileNotFoundError:
                return None
            bit = 0o100 if found.st_uid == self.uid else 0o010 if found.st_gid == self.gid else 0o001
            if not found.st_mode & bit:
                return part
        return None

    def run(
        self, command: Sequence[str], *, env: dict[str, str], timeout_s: float
    ) -> subprocess.CompletedProcess[bytes]:
        """Run ``command`` as this user, in ``/``, with just ``env``. Output goes to a pipe only until it ends."""
        other = not self.is_me
        return subprocess.run(  # noqa: S603 - the programs of PostgreSQL
            list(command),
            env=env,
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
            user=self.uid if other else None,
            group=self.gid if other else None,
            extra_groups=[] if other else None,
        )


def current_user() -> OsUser:
    """Return the user of this process. Raises ``Invalid`` (``storage.place_refused``) as ``user_of`` does."""
    return user_of(os.geteuid())


def user_of(uid: int) -> OsUser:
    """Return the user with this number. Raises ``Invalid``: containers run under numbers that have no name."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise PlaceRefused(
            "PostgreSQL runs only under a user that has a name",
            field="user",
            value=uid,
            fix="add the user to /etc/passwd, or set FARWIRE_DATABASE_URL to a PostgreSQL server",
        ) from None
    return OsUser(entry.pw_name, entry.pw_uid, entry.pw_gid)


def server_user() -> OsUser:
    """Return the user to run the server as: oneself, or for root ``farwire`` (made if possible), else ``nobody``."""
    if os.geteuid() != 0:
        return current_user()
    for name in (SERVER_USER, FALLBACK_USER):
        found = _named(name)
        if found is None and name == SERVER_USER:
            _create(name)
            found = _named(name)
        if found is not None:
            return found
    raise KeyError(FALLBACK_USER)


def _named(name: str) -> OsUser | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return OsUser(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _create(name: str) -> None:
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    try:
        command += ["--shell", "/usr/sbin/nologin", name]
        subprocess.run(command, capture_output=True, timeout=30, check=False)  # noqa: S603 - constant words
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return  # A system without useradd, or a read-only one: the fallback user serves.
