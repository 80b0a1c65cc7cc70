"""Files of a log: what is damaged is named, what is torn is cut, what is recycled is never taken for new."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwire.charging.log import Batch, Durability, Fenced, LogDamaged, LogFailed, Records
from farwire.charging.log.codec import Place, decode, encode
from farwire.charging.log.disk import BLOCK, RealDisk
from farwire.charging.log.file import FileLog, highest_epoch
from farwire.charging.log.replay import replay
from farwire.charging.log.scan import Scan
from farwire.charging.log.segments import headers
from farwire.charging.log.snapshot import CHUNK_RECORDS, snapshot_name
from farwire.kernel.errors import Defect, Exhausted, Invalid
from tests.charging.inline import Inline
from tests.charging.virtual_disk import VirtualDisk

SEGMENT = 16 * BLOCK
FIRST = "segment-000000000001.log"


def arena() -> Records:
    return np.zeros((100, 8), np.int64)


def file_log(
    disk: VirtualDisk, epoch: int = 1, durability: Durability = Durability.HOST, shard: int = 1
) -> FileLog:
    return FileLog(
        disk,
        shard=shard,
        epoch=epoch,
        durability=durability,
        segment_bytes=SEGMENT,
        writer=Inline(),
        background=Inline(),
    )


def batch(log: FileLog, value: int = 0, size: int = 1) -> Batch:
    first = log.last + 1
    slots = np.arange(1, 1 + size, dtype=np.int64)
    images = np.full((size, 8), value or first, np.int64)
    return Batch(log.epoch, first, first, slots.tobytes(), images.tobytes(), b"fact" * 2)


async def filled(disk: VirtualDisk, batches: int, durability: Durability = Durability.HOST) -> FileLog:
    log = file_log(disk, durability=durability)
    await log.recover(arena())
    for _ in range(batches):
        await log.append(batch(log))
    return log


async def recovered(disk: VirtualDisk, epoch: int = 2) -> tuple[FileLog, Records, int]:
    log, records = file_log(disk, epoch), arena()
    found = await log.recover(records)
    return log, records, found.last


def test_a_batch_reads_back_as_it_was_and_any_flipped_byte_is_noticed():
    source = random.Random(1)
    for _ in range(30):
        count = source.randint(0, 3)
        given = Batch(
            *(source.randint(1, 9), 5, source.randint(5, 9), source.randbytes(8 * count)),
            *(source.randbytes(64 * count), source.randbytes(8 * source.randint(0, 4))),
        )
        data, crc = encode(given, shard=3, place=Place(7, BLOCK), synced=4, previous=99)
        found = decode(memoryview(data), 0)
        assert found
        assert (found.batch(), found.crc, found.synced, found.previous) == (given, crc, 4, 99)
        for _ in range(20):
            at = source.randrange(len(data))
            bad = bytearray(data)
            bad[at] ^= 1 << source.randrange(8)
            if not 80 <= at < 128:  # the filling of the header says nothing
                assert decode(memoryview(bad), 0) is None
        assert decode(memoryview(data)[:-1], 0) is None


@given(slots=st.lists(st.integers(1, 20), max_size=200), cuts=st.lists(st.integers(0, 200), max_size=5))
def test_the_last_image_of_a_slot_wins_within_a_batch_and_across_batches(slots: list[int], cuts: list[int]):
    """Against a loop in Python. The arena gives each slot once a batch; the replay does not rely on that."""
    expected = np.zeros((21, 8), np.int64)
    images = np.arange(1, len(slots) + 1, dtype=np.int64).repeat(8).reshape(-1, 8)
    for slot, image in zip(slots, images, strict=True):
        expected[slot] = image
    entries = []
    bounds = sorted({0, len(slots), *(cut for cut in cuts if cut < len(slots))})
    for number, (begin, end) in enumerate(pairwise(bounds), 1):
        part = np.array(slots[begin:end], np.int64)
        given_batch = Batch(1, number, number, part.tobytes(), images[begin:end].tobytes())
        entry = decode(
            memoryview(encode(given_batch, shard=1, place=Place(0, 0), synced=0, previous=0)[0]), 0
        )
        assert entry
        entries.append(entry)
    records = np.zeros((21, 8), np.int64)
    assert replay(entries, records, 1).images == len(slots)
    assert np.array_equal(records, expected)


async def test_a_torn_end_is_cut_at_every_byte():
    """The last batch is not acknowledged: whatever of it arrived, it is there as a whole or not at all."""
    for arrived in range(0, 3 * BLOCK, 97):
        disk = VirtualDisk()
        log = await filled(disk, 3)
        end = Scan(disk, headers(disk, 1), after=0)
        assert [entry.last for entry in end] == [1, 2, 3]
        place = Place(1, end.bookmark.offset)
        data, _ = encode(batch(log, 77, 90), shard=1, place=place, synced=3, previous=end.end.crc)
        disk.open(FIRST).pwrite(data[:arrived], place.offset)
        again, records, last = await recovered(disk)
        whole = arrived >= len(data)
        assert last == (4 if whole else 3)
        assert int(records[1, 0]) == (77 if whole else 3)
        await again.append(batch(again))
        assert (await recovered(disk, 3))[2] == last + 1


@pytest.mark.parametrize("within", [0, 60, 130, 200])
async def test_damage_before_the_end_names_the_file_the_offset_and_what_to_do(within: int):
    disk = VirtualDisk()
    await filled(disk, 5)
    disk.flip(FIRST, 2 * BLOCK + within)
    with pytest.raises(LogDamaged) as raised:
        await recovered(disk)
    text = str(raised.value)
    assert f"virtual/{FIRST}, offset {2 * BLOCK}: the batch of sequence 2 is damaged or missing" in text
    assert "Fix: take over from a standby" in text


async def test_damage_in_an_older_segment_is_found_by_the_next_one():
    disk = VirtualDisk()
    await filled(disk, 40)
    disk.flip(FIRST, 15 * BLOCK + 3)
    with pytest.raises(LogDamaged, match=rf"{FIRST}, offset {15 * BLOCK}: the batch of sequence 15 "):
        await recovered(disk)


async def test_a_missing_segment_is_a_hole():
    disk = VirtualDisk()
    await filled(disk, 40)
    disk.remove("segment-000000000002.log")
    with pytest.raises(LogDamaged, match="sequence 16 is damaged or missing, though 31 was written"):
        await recovered(disk)


async def test_a_damaged_header_and_a_foreign_folder_are_refused():
    disk = VirtualDisk()
    await filled(disk, 2)
    with pytest.raises(LogDamaged, match="shard 1") as raised:
        await file_log(disk, 2, shard=9).recover(arena())
    assert raised.value.code == "charging.log_format"
    disk.flip(FIRST, 20)
    with pytest.raises(LogDamaged, match="offset 0: the header of the segment is damaged"):
        await recovered(disk)


async def test_batches_of_an_earlier_life_of_a_segment_are_never_taken_for_new():
    disk = VirtualDisk()
    log = await filled(disk, 45)
    snapshot = log.snapshot(arena(), 100)
    while snapshot.copy_chunk():
        pass
    await snapshot.finish()
    await log.recycle(books=log.last)
    assert sum(name.startswith("spare") for name in disk.names()) == 3
    for _ in range(17):  # a segment and two batches: the rest of the second one is from its earlier life
        await log.append(batch(log))
    _, _, last = await recovered(disk)
    assert last == 62


async def test_a_damaged_snapshot_is_passed_over_for_the_one_before():
    disk = VirtualDisk()
    log = await filled(disk, 5)
    records = np.full((100, 8), 5, np.int64)
    for _ in range(2):
        snapshot = log.snapshot(records, 100)
        snapshot.copy_chunk()
        await snapshot.finish()
        await log.append(batch(log))
        await log.recycle(books=log.last)
    for offset in (10, BLOCK + 5):  # its mark, its chunk
        disk.flip(snapshot_name(6), offset)
        log, records, last = await recovered(disk, log.epoch + 1)
        assert (last, int(records[1, 0]), int(records[50, 0])) == (7, 7, 5)
        assert log.snapshotted == 5
        disk.flip(snapshot_name(6), offset)
    found = await file_log(disk, 9).recover(arena())
    assert (found.snapshot, found.passed_over) == (6, ())


async def test_a_log_that_ends_before_its_snapshot_is_refused():
    disk = VirtualDisk()
    log = await filled(disk, 2)
    snapshot = log.snapshot(arena(), 100)
    snapshot.copy_chunk()
    await log.append(batch(log))
    snapshot._through = 4
    with pytest.raises(Defect):
        await snapshot.finish()
    snapshot = log.snapshot(arena(), 100)
    snapshot.copy_chunk()
    await snapshot.finish()
    for name in disk.names():
        if name.startswith("segment"):
            disk.remove(name)
    with pytest.raises(LogDamaged):
        await recovered(disk)


async def test_an_epoch_that_is_not_higher_is_fenced():
    disk = VirtualDisk()
    await filled(disk, 1)
    with pytest.raises(Fenced) as raised:
        await recovered(disk, 1)
    assert raised.value.code == "charging.log_fenced"
    assert highest_epoch(disk, 1) == 1


def test_files_cannot_promise_a_second_zone():
    with pytest.raises(Invalid) as raised:
        file_log(VirtualDisk(), durability=Durability.ZONE)
    assert raised.value.code == "charging.durability_unsupported"


async def test_only_durability_host_syncs_every_batch():
    for durability, syncs in ((Durability.HOST, 10), (Durability.PROCESS, 0)):
        disk = VirtualDisk()
        log = await filled(disk, 0, durability)
        before = disk.syncs
        for _ in range(10):
            await log.append(batch(log))
        assert disk.syncs - before == syncs


async def test_a_batch_that_no_segment_can_hold_is_refused_and_the_log_goes_on():
    disk = VirtualDisk()
    log = await filled(disk, 1)
    with pytest.raises(Exhausted) as raised:
        log.append(batch(log, 1, 2000))
    assert raised.value.code == "charging.batch_too_large"
    assert await log.append(batch(log)) == 2


async def test_a_snapshot_that_finds_no_room_ends_and_another_one_may_begin():
    disk = VirtualDisk()
    log = await filled(disk, 1)
    records = np.zeros((40 * CHUNK_RECORDS, 8), np.int64)
    disk.full_for = "snapshot"
    snapshot = log.snapshot(records, len(records))
    chunks = 1
    while snapshot.copy_chunk():
        chunks += 1
    assert chunks < 40
    with pytest.raises(LogFailed, match="No space left on device"):
        await snapshot.finish()
    disk.full_for = ""
    await log.append(batch(log))
    snapshot = log.snapshot(records, 100)
    assert not snapshot.copy_chunk()
    assert await snapshot.finish() == 2


async def test_a_failed_snapshot_says_so_and_the_log_goes_on():
    disk = VirtualDisk()
    log = await filled(disk, 1)
    snapshot = log.snapshot(arena(), 100)
    snapshot.copy_chunk()
    await log.settle(1)
    disk.fail_sync_at = disk.syncs + 2
    with pytest.raises(LogFailed, match=r"snapshot\.tmp: Input/output error") as raised:
        await snapshot.finish()
    assert raised.value.code == "charging.snapshot_failed"
    assert await log.append(batch(log)) == 2
    assert (await recovered(disk))[2] == 2


async def test_threads_of_the_log_roll_and_prepare_segments_at_the_same_time(tmp_path: Path):
    log = FileLog(
        RealDisk(tmp_path), shard=1, epoch=1, segment_bytes=4 * BLOCK, spares=2, durability=Durability.PROCESS
    )
    await log.recover(arena())
    for _ in range(1000):
        await log.append(batch(log))
    await log.close()
    again, records = FileLog(RealDisk(tmp_path), shard=1, epoch=2), arena()
    assert (await again.recover(records)).last == 1000
    assert int(records[1, 0]) == 1000
    await again.close()


async def test_who_loses_patience_with_a_ticket_takes_no_batch_out_of_the_log(tmp_path: Path):
    log = FileLog(RealDisk(tmp_path), shard=1, epoch=1, segment_bytes=SEGMENT)
    await log.recover(arena())
    go_on = threading.Event()
    log._threads.submit(go_on.wait)  # the thread is busy: what is appended waits
    first = log.append(batch(log))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(first, timeout=0.01)
    second = log.append(batch(log))
    go_on.set()
    assert await second == 2
    await log.close()
    again = FileLog(RealDisk(tmp_path), shard=1, epoch=2)
    assert (await again.recover(arena())).last == 2
    await again.close()


WRITER = """
import asyncio, sys
from pathlib import Path
from farwire.charging.log.port import Batch
from farwire.charging.log.disk import RealDisk
from farwire.charging.log.file import FileLog, highest_epoch
import numpy as np

async def main(folder):
    disk = RealDisk(Path(folder))
    log = FileLog(disk, shard=1, epoch=highest_epoch(disk, 1) + 1, segment_bytes=1 << 18)
    await log.recover(np.zeros((100, 8), np.int64))
    while True:
        first = log.last + 1
        slots, images = np.array([first % 99 + 1]), np.full(8, first)
        print(await log.append(Batch(log.epoch, first, first, slots.tobytes(), images.tobytes())), flush=True)

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.crash
def test_a_killed_process_has_kept_all_that_it_acknowledged(tmp_path: Path, seed: int):
    heard = 0
    for life in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout
        for _ in range(random.Random(seed * 10 + life).randint(1, 300)):
            heard = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        heard = max([heard, *map(int, process.stdout.read().split()[-1:])])
        process.wait()
        process.stdout.close()
        assert sum(header.first <= heard for header in headers(RealDisk(tmp_path), 1)) > 0
    log = FileLog(RealDisk(tmp_path), shard=1, epoch=99)
    records = arena()

    async def recover() -> int:
        found = await log.recover(records)
        await log.close()
        return found.last

    last = asyncio.run(recover())
    assert last >= heard
    assert records[1:, 0].max() == last
    assert all(value % 99 + 1 == slot for slot, value in enumerate(records[:, 0].tolist()) if value)
