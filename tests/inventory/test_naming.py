"""Ids by name, for many at once: as a dictionary would tell them, also where names share a hash."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwire.inventory.model import naming
from farwire.inventory.model.naming import UNKNOWN, Naming

# A few letters only, so that names begin alike, and lengths around those of the words that are hashed.
NAMES = st.sets(st.text("ab-", min_size=1, max_size=18), max_size=12)


def asked(known: list[str], wanted: list[str]) -> list[int]:
    ids = np.arange(100, 100 + len(known), dtype=np.int64)
    names = np.array(known, dtype="S") if known else np.empty(0, "S1")
    found: list[int] = Naming(ids, names).ids(wanted).tolist()
    return found


@given(NAMES, NAMES)
def test_each_name_has_the_id_that_a_dictionary_has(known: set[str], others: set[str]) -> None:
    names, wanted = sorted(known), sorted(known | others)
    place = {name: 100 + number for number, name in enumerate(names)}
    assert asked(names, wanted) == [place.get(name, UNKNOWN) for name in wanted]


def test_names_with_one_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(naming, "_hashes", lambda names: np.zeros(len(names), np.uint64))
    names = [f"port-{number}" for number in range(9)]
    assert asked(names, ["port-8", "port-9", "port-0", "port"]) == [108, UNKNOWN, 100, UNKNOWN]


def test_a_name_that_goes_on_where_the_longest_known_one_ends_is_another_one() -> None:
    assert asked(["12345678"], ["12345678", "123456789", "1234567"]) == [100, UNKNOWN, UNKNOWN]
