"""The embedded PostgreSQL server: a small wrapper of ``initdb`` and ``pg_ctl``.

It listens on a Unix socket only, in a folder that only its own user may enter, and knows its clients by the
kernel's word (peer authentication): no password exists that could leak. Three system users are known to it: its
own, the one that set it up, and root.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import quote

from farwire.base.config import SYSTEM_DATA_DIR
from farwire.base.storage import errors
from farwire.base.storage.binaries import MAJOR, Binaries, find_binaries, reachable_binaries
from farwire.base.storage.lock import file_lock
from farwire.base.storage.os_user import OsUser, current_user, server_user, user_of
from farwire.kernel.errors import FarwireError

DATABASE: Final = "farwire"
PORT: Final = 5432
_SOCKET_PATH_MAX: Final = 103
_START_S: Final = 120
_STOP_S: Final = 60
_INIT_S: Final = 120
_ENV: Final = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


class DatabaseRole(StrEnum):
    """The roles of the database. Work is done as APP; ADMIN only makes roles and databases."""

    ADMIN = "farwire_admin"
    OWNER = "farwire_owner"
    APP = "farwire_app"
    RELAY = "farwire_relay"


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """What is known about an embedded server."""

    running: bool
    data: Path
    socket_dir: Path
    version: str | None
    pid: int | None
    user: str | None
    log: Path


class EmbeddedServer:
    """One server in ``data_dir/postgresql``. ``durable=False`` gives up crash safety and is for tests only."""

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        self.data_dir = data_dir.absolute()
        self.home = self.data_dir / "postgresql"
        self.data = self.home / "data"
        self.log = self.home / "server.log"
        self._durable = durable

    @property
    def socket_dir(self) -> Path:
        """Return the folder of the socket: the server's own, or a short one where that path is too long."""
        own = self.home / "run"
        if len(os.fsencode(own / f".s.PGSQL.{PORT}")) <= _SOCKET_PATH_MAX:
            return own
        digest = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"farwire-{digest}"

    def url(self, role: DatabaseRole = DatabaseRole.APP, database: str = DATABASE) -> str:
        """Return the URL for ``role``. It holds no secret: the kernel says who connects."""
        return (
            f"postgresql://{role.value}@/{database}?host={quote(str(self.socket_dir), safe='')}&port={PORT}"
        )

    def running(self) -> bool:
        """Tell whether the server accepts connections now."""
        return self._answers() and self._pid_line(7) == "ready"

    def status(self) -> ServerStatus:
        """Return what is known, without changing anything."""
        exists = (self.data / "PG_VERSION").exists()
        running = self.running()
        return ServerStatus(
            running=running,
            data=self.data,
            socket_dir=self.socket_dir,
            version=(self.data / "PG_VERSION").read_text().strip() if exists else None,
            pid=self._pid() if running else None,
            user=user_of(self.home.stat().st_uid).name if self.home.exists() else None,
            log=self.log,
        )

    def start(self) -> bool:
        """Start the server, making its data folder on first use; return whether this call started it.

        Safe to call from several processes at once. Raises ``Unavailable`` (``storage.embedded_failed``,
        ``storage.busy``), ``Exhausted`` (``storage.disk_full``), ``Conflict`` (``storage.version_mismatch``),
        ``Invalid`` (``storage.place_refused``), ``NotFound`` (``storage.embedded_missing``).
        """
        if self.running():
            return False
        _make_data_dir(self.data_dir)
        with file_lock(self.data_dir / "postgresql.lock"):
            if self.running():
                return False
            user = self._prepare_home()
            binaries = reachable_binaries(find_binaries(), uid=user.uid, gid=user.gid, keep_in=self._copies())
            self._initialise(user, binaries)
            self._check_version()
            self._clear_stale_pid()
            self._configure(user)
            self._launch(user, binaries)
        return True

    def stop(self, *, immediate: bool = False) -> bool:
        """Stop the server and return whether it ran. Connections are cut; ``immediate`` skips the clean shutdown."""
        if not self.home.exists():
            return False
        with file_lock(self.data_dir / "postgresql.lock"):
            if not (self._answers() or self._is_our_server(self._pid())):
                return False
            user = self._owner()
            binaries = reachable_binaries(find_binaries(), uid=user.uid, gid=user.gid, keep_in=self._copies())
            mode = "immediate" if immediate else "fast"
            command = [
                binaries.program("pg_ctl"),
                "stop",
                "-D",
                str(self.data),
                "-m",
                mode,
                "-w",
                "-t",
                str(_STOP_S),
            ]
            result = user.run(command, env=_ENV, timeout_s=_STOP_S + 10)
        if result.returncode != 0 and self._answers():
            raise errors.EmbeddedServerFailed(
                f"the embedded server did not stop: {_text(result)}", fix=f"see {self.log}"
            )
        return True

    def _copies(self) -> Path:
        return (SYSTEM_DATA_DIR if os.geteuid() == 0 else self.data_dir) / "binaries"

    def _prepare_home(self) -> OsUser:
        """Return the user that owns the server's folder, after making it on first use."""
        if self.home.exists():
            user = self._owner()
        else:
            user = server_user()
            closed = user.can_enter(self.data_dir)
            if closed is not None:
                raise errors.PlaceRefused(
                    f"the server runs as user {user.name}, which may not enter {closed}",
                    field="data_dir",
                    value=str(self.data_dir),
                    fix=f"choose a folder that it can reach, e.g. {SYSTEM_DATA_DIR}",
                )
            self.home.mkdir(mode=0o700)
            _give(self.home, user)
        _make_private(self.socket_dir, user)
        return user

    def _owner(self) -> OsUser:
        owner = self.home.stat().st_uid
        me = os.geteuid()
        if owner == 0 or me not in (0, owner):
            raise errors.PlaceRefused(
                f"{self.home} belongs to user {owner}, this process runs as {me}",
                field="data_dir",
                value=str(self.data_dir),
                fix="run as that user or as root, or choose another data_dir",
            )
        return user_of(owner)

    def _initialise(self, user: OsUser, binaries: Binaries) -> None:
        if (self.data / "PG_VERSION").exists():
            return
        if self.data.exists() and any(self.data.iterdir()):
            raise errors.PlaceRefused(
                f"{self.data} is not empty and not a PostgreSQL data folder",
                field="data_dir",
                value=str(self.data_dir),
                fix="move its content away, or choose another data_dir",
            )
        partial = self.home / "data.partial"
        shutil.rmtree(partial, ignore_errors=True)
        command = [
            binaries.program("initdb"),
            "-D",
            str(partial),
            "-U",
            DatabaseRole.ADMIN.value,
            "-E",
            "UTF8",
        ]
        command += ["--auth=peer", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        result = user.run(command if self._durable else [*command, "--no-sync"], env=_ENV, timeout_s=_INIT_S)
        if result.returncode != 0:
            shutil.rmtree(partial, ignore_errors=True)
            raise self._failure("could not make its data folder", _text(result))
        with (partial / "postgresql.conf").open("a") as conf:
            conf.write(
                "\ninclude 'farwire.conf'  # written at each start; put your own settings below this line\n"
            )
        partial.rename(self.data)

    def _check_version(self) -> None:
        found = (self.data / "PG_VERSION").read_text().strip()
        if found != str(MAJOR):
            raise errors.EmbeddedVersionMismatch(
                f"the data folder was written by PostgreSQL {found}, these programs are {MAJOR}",
                field="data_dir",
                value=str(self.data),
                fix=f"with the Farwire that wrote it: farwire db backup FILE; with this one and a fresh data_dir: "
                f"farwire db restore FILE (never start PostgreSQL {MAJOR} on it)",
            )

    def _configure(self, user: OsUser) -> None:
        """Write the settings that are ours. They are rewritten at each start, since folders may move."""
        settings = {
            "listen_addresses": "",
            "port": PORT,
            "unix_socket_directories": self.socket_dir,
            "unix_socket_permissions": "0700",
            "max_connections": 200,
            "shared_buffers": "256MB" if self._durable else "128MB",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "jit": "off",
            "logging_collector": "on",
            "log_directory": self.home / "log",
            "log_filename": "postgresql-%a.log",
            "log_truncate_on_rotation": "on",
            "log_rotation_size": "0",
            # Values of rows are personal data: neither the DETAIL of an error nor its statement is logged.
            "log_error_verbosity": "terse",
            "log_min_error_statement": "panic",
        }
        if not self._durable:
            off = dict.fromkeys(("fsync", "synchronous_commit", "full_page_writes", "autovacuum"), "off")
            settings |= off | {"wal_level": "minimal", "max_wal_senders": 0, "logging_collector": "off"}
        lines = [f"{name} = '{str(value).replace(chr(39), chr(39) * 2)}'" for name, value in settings.items()]
        known = sorted({user.name, current_user().name, user_of(0).name})
        self._write("farwire.conf", lines, user)
        self._write("pg_hba.conf", ["local all all peer map=farwire"], user)
        self._write("pg_ident.conf", [f'farwire "{name}" all' for name in known], user)

    def _write(self, name: str, lines: list[str], user: OsUser) -> None:
        file = self.data / name
        try:
            file.write_text("\n".join(lines) + "\n")
            file.chmod(0o600)
            _give(file, user)
        except OSError as error:
            raise self._failure(f"could not write {file}", str(error)) from error

    def _launch(self, user: OsUser, binaries: Binaries) -> None:
        command = [binaries.program("pg_ctl"), "start", "-D", str(self.data), "-l", str(self.log)]
        result = user.run([*command, "-w", "-t", str(_START_S)], env=_ENV, timeout_s=_START_S + 10)
        if result.returncode != 0:
            raise self._failure("could not start", f"{_text(result)}\n{self._log_tail()}")

    def _failure(self, what: str, detail: str) -> FarwireError:
        if "No space left on device" in detail or "Disk quota exceeded" in detail:
            return errors.DiskFull(
                f"the embedded database {what}: the disk is full", field="data_dir", value=str(self.data_dir),
                fix="free space on that disk, then try again",
            )  # fmt: skip
        return errors.EmbeddedServerFailed(
            f"the embedded database {what}: {detail.strip()[-1500:]}", field="data_dir", value=str(self.data_dir),
            fix=f"see {self.log} and {self.home / 'log'}",
        )  # fmt: skip

    def _log_tail(self) -> str:
        logs = sorted(self.home.glob("log/*.log"), key=lambda file: file.stat().st_mtime)[-1:]
        tails = []
        for file in (self.log, *logs):
            try:
                tails += file.read_text(errors="replace").splitlines()[-8:]
            except OSError:
                continue
        return "\n".join(tails)

    def _answers(self) -> bool:
        """Tell whether somebody listens on our socket. Only our server can: the folder is its own."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(2)
            try:
                probe.connect(str(self.socket_dir / f".s.PGSQL.{PORT}"))
            except OSError:
                return False
        return True

    def _pid_line(self, index: int) -> str | None:
        """Return one line of ``postmaster.pid``: 0 is the process id, 7 the state (``ready``)."""
        try:
            return (self.data / "postmaster.pid").read_text().splitlines()[index].strip()
        except (OSError, IndexError):
            return None

    def _pid(self) -> int | None:
        text = self._pid_line(0)
        return int(text) if text and text.isdigit() else None

    def _is_our_server(self, pid: int | None) -> bool:
        """Tell whether ``pid`` is a server in our data folder: PostgreSQL works in that folder."""
        if pid is None:
            return False
        try:
            return Path(f"/proc/{pid}/cwd").readlink() == self.data
        except FileNotFoundError:
            if Path("/proc/self").exists():
                return False
        except PermissionError:
            return True
        try:
            os.kill(pid, 0)
        except OSError:
            return False
        return True

    def _clear_stale_pid(self) -> None:
        """Remove a pid file that a crash or a power cut left, where its number now belongs to another process.

        PostgreSQL handles the rest itself, but refuses to start while *any* process of its user has that number.
        """
        pid = self._pid()
        if pid is None:
            return
        deadline = time.monotonic() + 5
        while self._is_our_server(pid):
            if self.running() or time.monotonic() > deadline:
                return
            time.sleep(0.1)
        (self.data / "postmaster.pid").unlink(missing_ok=True)


def kill_server(server: EmbeddedServer) -> None:
    """Kill the server as a power cut would, for tests of recovery."""
    pid = server.status().pid
    if pid is not None:
        os.kill(pid, signal.SIGKILL)


def _make_data_dir(folder: Path) -> None:
    """Make the data folder: others may pass through root's (the server's user must), nobody through a user's own."""
    try:
        if not folder.exists():
            folder.mkdir(mode=0o755 if os.geteuid() == 0 else 0o700, parents=True)
    except OSError as error:
        raise errors.PlaceRefused(
            f"the data folder cannot be made: {error.strerror}", field="data_dir", value=str(folder),
            fix="choose a folder that you may write to",
        ) from error  # fmt: skip


def _make_private(folder: Path, user: OsUser) -> None:
    """Make a folder that only ``user`` enters. One that somebody else has put there is refused."""
    try:
        folder.mkdir(mode=0o700)
        _give(folder, user)
    except FileExistsError:
        found = folder.lstat()
        if found.st_uid != user.uid or found.st_mode & 0o077 or folder.is_symlink():
            raise errors.PlaceRefused(
                f"{folder} exists and is not a private folder of user {user.name}",
                field="data_dir",
                value=str(folder),
                fix="remove it, or choose a data_dir with a shorter path",
            ) from None


def _give(path: Path, user: OsUser) -> None:
    """Hand something that we have just made to the server's user."""
    if os.geteuid() == 0:
        os.chown(path, user.uid, user.gid)


def _text(result: subprocess.CompletedProcess[bytes]) -> str:
    return (result.stderr + result.stdout).decode(errors="replace")
