"""The file log on a disk that is really full: a small file system of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from farwire.base.clock import SystemClock
from farwire.charging.log.disk import RealDisk
from farwire.charging.log.file import FileLog, highest_epoch
from farwire.charging.model import ResultCode
from farwire.charging.shard.runner import Runner
from farwire.charging.shard.shard import Open, recover
from farwire.kernel.errors import FarwireError, Unavailable
from tests.charging.shard_world import FlatTariffs, an_account, top_up

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk"),
]
SEGMENT = 1 << 18


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    command = ["/bin/mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody mount a small disk")
    yield place
    subprocess.run(["/bin/umount", "-l", str(place)], check=True)


class Shop:
    """A shard on the small disk, and one account that is paid into; ``told`` has what was answered."""

    def __init__(self, place: Path) -> None:
        self.folder, self.ballast = place / "log", place / "ballast"
        self.told: list[int] = []
        self.key = 0

    async def start(self) -> None:
        disk = RealDisk(self.folder)
        log = FileLog(disk, shard=1, epoch=highest_epoch(disk, 1) + 1, segment_bytes=SEGMENT)
        try:
            shard = await recover(log=log, records=10_000, tariffs=FlatTariffs(), clock=SystemClock())
        except FarwireError:
            await log.close()
            raise
        self.runner = Runner(shard, books=lambda: 0)
        await self.runner.ask(1, Open(an_account(7)))

    async def pay_in(self, times: int) -> None:
        for _ in range(times):
            self.key += 1
            assert (await self.runner.ask(1, top_up(7, self.key, 1))).result == ResultCode.SUCCESS
            self.told.append(self.key)

    def fill(self) -> None:
        """Leave no room at all."""
        with self.ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
            while True:
                file.write(bytes(4096))

    def check(self) -> None:
        account = self.runner.shard.accounts.find(1, 7)
        there = {key.key_lo for key in account.keys}
        assert there >= set(self.told), "an answer was not durable"
        assert account.balances[0].amount == len(there)


async def test_a_full_disk_ends_the_shard_with_a_clear_error_and_it_goes_on_when_there_is_space(
    small_disk: Path,
):
    shop = Shop(small_disk)
    await shop.start()
    await shop.pay_in(10)
    shop.fill()
    await shop.pay_in(20)  # the segment in use has its blocks already
    shop.ballast.unlink()
    await shop.pay_in(SEGMENT // 4096)  # there was room again before it was needed: nobody has noticed

    shop.fill()
    with pytest.raises(Unavailable) as raised:
        await shop.pay_in(1_000)
    assert raised.value.code == "charging.no_answer"
    failure = shop.runner.shard.failure
    assert failure is not None
    assert (failure.code, failure.field, failure.value) == ("charging.log_failed", "errno", 28)
    assert "No space left on device" in str(failure)
    assert "make room" in failure.fix
    await shop.runner.drain()
    with pytest.raises(Unavailable, match="No space left on device"):
        await shop.start()  # it does not start either, and says why

    shop.ballast.unlink()
    await shop.start()
    shop.check()
    await shop.pay_in(100)
    await shop.runner.drain()
    await shop.start()
    shop.check()
    await shop.runner.drain()
