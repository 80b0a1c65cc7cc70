"""The folders and settings of the embedded server, and who may enter them.

    data_dir/postgresql            settings; belongs to whoever set it up, so that the server cannot change them
    data_dir/postgresql/data       PostgreSQL's data ┐
    data_dir/postgresql/log        its logs          ├ belong to the server's user and only it may enter
    data_dir/postgresql/run        its socket        ┘

As root nothing is ever written inside a folder of the server's user: what it could plant there, root would follow.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from farwire.base.config import SYSTEM_DATA_DIR
from farwire.base.storage.errors import PlaceRefused
from farwire.base.storage.os_user import OsUser, current_user, server_user, user_of

PORT: Final = 5432
_SOCKET_PATH_MAX: Final = 103
"""Bytes that the shortest limit of a Unix socket's path (macOS: 104 with its end) leaves."""
_SOCKET: Final = f".s.PGSQL.{PORT}"

_SHELL: Final = frozenset('"$`\\\n')
"""``pg_ctl`` puts paths between double quotes into a shell command."""

_SETTINGS: Final = {
    "listen_addresses": "",
    "port": PORT,
    "unix_socket_permissions": "0700",
    "max_connections": 200,
    "shared_buffers": "256MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
    "logging_collector": "on",
    "log_filename": "postgresql-%a.log",
    "log_truncate_on_rotation": "on",
    "log_rotation_size": 0,
    # Values of rows are personal data: neither the DETAIL of an error nor its statement is logged.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
}
_VOLATILE: Final = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "wal_level": "minimal",
    "max_wal_senders": 0,
    "logging_collector": "off",
}
"""Settings of a server whose data nobody wants back."""


class ServerFolder:
    """The paths of one embedded server."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.absolute()
        self.home = self.data_dir / "postgresql"
        self.data = self.home / "data"
        self.logs = self.home / "log"
        self.start_log = self.logs / "start.log"
        self.config = self.home / "farwire.conf"

    @property
    def socket_dir(self) -> Path:
        """Return the folder of the socket: the server's own, or a short one where that path is too long."""
        own = self.home / "run"
        if len(os.fsencode(own / _SOCKET)) <= _SOCKET_PATH_MAX:
            return own
        digest = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"farwire-{digest}"

    @property
    def socket(self) -> Path:
        """Return the path of the socket."""
        return self.socket_dir / _SOCKET

    @property
    def locks(self) -> tuple[Path, ...]:
        """Return the files in which a running server writes its process id."""
        return self.data / "postmaster.pid", self.socket_dir / f"{_SOCKET}.lock"

    def make_data_dir(self) -> None:
        """Make the data folder. Others pass through root's, as the server must; nobody through a user's own."""
        try:
            if not self.data_dir.is_dir():
                self.data_dir.mkdir(mode=0o755 if os.geteuid() == 0 else 0o700, parents=True)
        except OSError as error:
            raise self.refused(
                f"cannot be made ({error.strerror})", "choose a folder that you may write to"
            ) from error

    def check_access(self) -> None:
        """Refuse, with a reason, a process that may not manage this server. Raises ``Invalid``."""
        try:
            exists, keeper = (
                self.home.exists(),
                self.data_dir.stat().st_uid if self.data_dir.exists() else None,
            )
            keeper = self.home.stat().st_uid if exists else keeper
        except PermissionError as error:
            raise self.refused("may not be entered by this user", "choose a folder of your own") from error
        me = os.geteuid()
        if exists and me not in (0, keeper):
            raise self.refused(
                f"belongs to user {keeper}, this process runs as {me}",
                "run as that user or as root, or choose another",
            )
        if not exists and keeper is not None and not os.access(self.data_dir, os.W_OK | os.X_OK):
            raise self.refused("may not be written by this user", "choose a folder of your own")

    def owner(self) -> OsUser | None:
        """Return the user whose server this is, or ``None`` before its first start."""
        try:
            return user_of(self.logs.stat().st_uid)
        except FileNotFoundError:
            return None

    def prepare(self) -> OsUser:
        """Make what is missing of the folders and return the server's user. Raises ``Invalid``."""
        if set(str(self.home)) & _SHELL:
            raise self.refused(
                "has a path with a character that pg_ctl's shell would read", "choose a plain path"
            )
        user = self.owner() or server_user()
        closed = user.can_enter(self.data_dir)
        if closed is not None:
            raise self.refused(
                f"is out of reach: the server runs as user {user.name}, which may not enter {closed}",
                f"choose a folder that it can reach, e.g. {SYSTEM_DATA_DIR}",
            )
        # Only root shares the folder of settings with another user, who must be able to read them.
        self.home.mkdir(mode=0o700 if user.is_me else 0o755, exist_ok=True)
        for folder in (self.logs, self.socket_dir):
            self._make_private(folder, user)
        return user

    def fresh_data(self, user: OsUser) -> Path:
        """Return a new, empty folder in which ``initdb`` may work; what an interrupted one left is removed."""
        if self.data.exists() and any(self.data.iterdir()):
            raise self.refused(
                f"has things in {self.data} that are not PostgreSQL's",
                "move them away, or choose another folder",
            )
        partial = self.home / "data.partial"
        shutil.rmtree(partial, ignore_errors=True)
        self._make_private(partial, user)
        return partial

    def version(self) -> str | None:
        """Return the major version that wrote the data, or ``None`` where there is none yet."""
        try:
            return (self.data / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            return None
        except PermissionError as error:
            raise self.refused("may not be entered by this user", "run as its owner or as root") from error

    def write_settings(self, user: OsUser, *, durable: bool) -> None:
        """Write our settings; at each start, since folders may move. The operator's own go to ``local.conf``."""
        settings: dict[str, object] = {**_SETTINGS, **({} if durable else _VOLATILE)}
        settings |= {
            "unix_socket_directories": self.socket_dir,
            "log_directory": self.logs,
            "hba_file": self.home / "pg_hba.conf",
            "ident_file": self.home / "pg_ident.conf",
        }
        lines = [f"{name} = '{str(value).replace(chr(39), chr(39) * 2)}'" for name, value in settings.items()]
        known = sorted({user.name, current_user().name, user_of(0).name})
        self._write(self.config, ["# Written at each start. Put your own settings into local.conf.", *lines,
                                  "include_if_exists 'local.conf'"])  # fmt: skip
        self._write(self.home / "pg_hba.conf", ["local all all peer map=farwire"])
        self._write(self.home / "pg_ident.conf", [f'farwire "{name}" all' for name in known])

    def pid_line(self, index: int) -> str | None:
        """Return one line of ``postmaster.pid``: 0 is the process id, 7 the state (``ready``).

        Empty where there is none yet, ``None`` where this user may not look.
        """
        try:
            return self.locks[0].read_text().splitlines()[index].strip()
        except PermissionError:
            return None
        except (OSError, IndexError):
            return ""

    def processes(self) -> tuple[int, ...] | None:
        """Return the processes that work in the data folder, or ``None`` where the system does not say."""
        if not Path("/proc/self").exists():
            return None
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if (entry / "cwd").readlink() == self.data:
                    found.append(int(entry.name))
            except OSError:
                continue  # It ended, or it is another user's and so not of this server.
        return tuple(found)

    def log_tail(self) -> str:
        """Return the last lines of the logs, for the message of a failed start."""
        newest = sorted(self.logs.glob("postgresql-*.log"), key=lambda file: file.stat().st_mtime)[-1:]
        tails = []
        for file in (self.start_log, *newest):
            try:
                tails += file.read_text(errors="replace").splitlines()[-8:]
            except OSError:
                continue
        return "\n".join(tails)

    def refused(self, why: str, fix: str) -> PlaceRefused:
        """Return the error for a folder that cannot be used as it is."""
        return PlaceRefused(f"the data folder {why}", field="data_dir", value=str(self.data_dir), fix=fix)

    def _make_private(self, folder: Path, user: OsUser) -> None:
        """Make a folder that only ``user`` enters. One that somebody else has put there is refused."""
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            found = folder.lstat()
            mine = found.st_uid == os.geteuid() and not any(
                folder.iterdir()
            )  # made, and killed before the next line
            if not (found.st_uid == user.uid or mine) or found.st_mode & 0o077 or folder.is_symlink():
                raise self.refused(
                    f"needs {folder}, which exists and is not a private folder of user {user.name}",
                    "remove that, or choose a folder with a shorter path",
                ) from None
        if os.geteuid() == 0:
            os.chown(folder, user.uid, user.gid, follow_symlinks=False)

    def _write(self, file: Path, lines: list[str]) -> None:
        partial = file.with_name(file.name + ".partial")
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
        partial.chmod(0o644)
        partial.replace(file)
