"""Replay: images into the arena, the last one of a slot wins."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from farwire.charging.log.codec import Entry
from farwire.charging.log.port import RECORD_BYTES, LogDamaged, Records
from farwire.charging.log.snapshot import arena_full


@dataclass(slots=True)
class Replayed:
    """What was replayed, and the slots used from the front."""

    used: int = 1
    batches: int = 0
    images: int = 0


_ONE: Final = np.dtype(f"V{RECORD_BYTES}")
"""A record as one thing: assigning it is one copy of a cache line, where eight words are eight copies."""


def replay(entries: Iterable[Entry], records: Records, used: int) -> Replayed:
    """Put the images of batches, in their order, into ``records``.

    NumPy promises no order for a slot that stands twice in one assignment. A batch holds each slot once
    (``Arena.take_changes``); one that does not is put in image by image.

    Raises ``Exhausted`` (``charging.arena_full``), ``LogDamaged`` (``charging.log_slot``).
    """
    done = Replayed(used)
    whole = records.view(_ONE).reshape(-1)
    for entry in entries:
        slots = entry.slots
        done.batches += 1
        if not len(slots):
            continue
        ordered = np.sort(slots)
        highest = int(ordered[-1])
        if highest >= len(records):
            raise arena_full(highest + 1, len(records))
        if ordered[0] < 1:
            raise LogDamaged(
                f"the batch of sequence {entry.first} writes a slot below 1",
                code="charging.log_slot",
                fix="this is a defect of the shard that wrote it: keep the log and report it",
            )
        if (ordered[1:] == ordered[:-1]).any():
            for slot, image in zip(slots.tolist(), entry.images, strict=True):
                records[slot] = image
        else:
            whole[slots] = entry.images.view(_ONE).reshape(-1)
        done.used = max(done.used, highest + 1)
        done.images += len(slots)
    return done
