"""Money never meets a float; nobody but the clock reads the clock; no time is naive."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

MONEY_ROOMS = re.compile(
    r"farwire/(kernel/(money|quantity|iso4217)\.py|rating/|billing/|ledger/|account/|catalog/|charging/|usage/|payment/|"
    r"collection/|country/)"
)
PAPER = re.compile(r"farwire/billing/rendering/")
"""Places on paper are floats; amounts arrive there as text."""
WALL_CLOCK = {
    "farwire/base/clock.py": "it is the clock",
    "farwire/kernel/ids.py": "the time part of a UUIDv7, when no time is given",
    "farwire/base/web/monitor.py": "the time that a log line of the running server carries",
}
"""Modules that may ask what time it is, and why."""
NAIVE = {
    "farwire/usage/model/values.py": "a local time as a vendor wrote it, until its zone is applied a line later",
}
"""Modules that may make a time without a zone, and why."""
WAIT = re.compile(r"(?i)\w*(timeout|interval|wait|delay|backoff)\w*_s")
"""Names of seconds that a program waits: no amount of anything."""


def _is_wait(node: ast.AST) -> bool:
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return WAIT.fullmatch(node.target.id) is not None
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return WAIT.fullmatch(node.targets[0].id) is not None
    return isinstance(node, ast.arg) and WAIT.fullmatch(node.arg) is not None


def floats(source: str) -> Iterator[str]:
    """Yield each float in ``source``: the name, a literal, a conversion, and what only makes floats."""
    tree = ast.parse(source)
    waits = {id(inner) for node in ast.walk(tree) if _is_wait(node) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if id(node) in waits:
            continue
        if isinstance(node, ast.Name) and node.id == "float":
            yield f"{line}: float"
        elif isinstance(node, ast.Constant) and isinstance(node.value, (float, complex)):
            yield f"{line}: {node.value!r}"
        elif isinstance(node, ast.Attribute) and re.fullmatch(r"float(16|32|64|_)?|double", node.attr):
            yield f"{line}: .{node.attr}"
        elif isinstance(node, ast.Attribute) and node.attr in ("total_seconds", "timestamp"):
            yield f"{line}: .{node.attr}() is a float"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "round":
            yield f"{line}: round() is not half-up; use kernel.money.round_half_up"


def test_no_float_touches_money(sources):
    found = [
        f"{p}:{hit}"
        for p, t in sources.items()
        if MONEY_ROOMS.match(p) and not PAPER.match(p)
        for hit in floats(t)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "source",
    [
        "x: float = 1",
        "y = float('1')",
        "z = 0.5",
        "np.float64(1)",
        "pl.Float64 and pa.float64()",
        "d.total_seconds()",
        "round(x)",
    ],
)
def test_a_float_is_noticed(source):
    assert list(floats(source))


@pytest.mark.parametrize(
    "source",
    ["x = 1 // 2", "STATEMENT_TIMEOUT_S = 0.5", "Decimal('0.5')", "'float'", "# 0.5", "round_half_up(1, 2)"],
)
def test_exact_arithmetic_passes(source):
    assert not list(floats(source))


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


_ALWAYS_NAIVE = ("utcnow", "utcfromtimestamp", "today")
_CLOCKS = ("time.time", "time.time_ns", "time.localtime", "time.gmtime", "time.ctime")


def times(source: str) -> Iterator[tuple[str, str]]:
    """Yield ("naive" | "clock", where) for each naive time that is made and each look at the wall clock."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = _dotted(node.func)
        where = f"{node.lineno}: {name}"
        owner, _, last = name.rpartition(".")
        of_date = owner.split(".")[-1] in ("datetime", "date")
        if of_date and last in _ALWAYS_NAIVE:
            yield "naive", where
        elif of_date and last == "now":
            yield "clock", where
            if not node.args and not node.keywords:
                yield "naive", where
        elif (
            (of_date and last == "fromtimestamp" and len(node.args) < 2 and not node.keywords)
            or (of_date and last in ("combine", "strptime") and not _has_zone(node, last))
            or (
                name in ("datetime", "datetime.datetime") and len(node.args) < 8 and not _has_zone(node, name)
            )
        ):
            yield "naive", where
        elif name in _CLOCKS:
            yield "clock", where


def _has_zone(node: ast.Call, last: str) -> bool:
    if any(keyword.arg in ("tzinfo", None) for keyword in node.keywords):
        return True
    return last == "combine" and len(node.args) == 3


def test_no_naive_time_is_made(sources):
    found = [
        f"{p}:{where}"
        for p, t in sources.items()
        if p not in NAIVE
        for kind, where in times(t)
        if kind == "naive"
    ]
    assert not found, "\n".join(found)


def test_only_the_clock_reads_the_clock(sources):
    found = [
        f"{p}:{where}"
        for p, t in sources.items()
        if p not in WALL_CLOCK
        for kind, where in times(t)
        if kind == "clock"
    ]
    assert not found, "\n".join(found)


def test_the_exceptions_are_needed(sources):
    for kind, paths in (("clock", WALL_CLOCK), ("naive", NAIVE)):
        for path in paths:
            assert any(found == kind for found, _ in times(sources[path])), f"{path}: no {kind} any more"


@pytest.mark.parametrize(
    ("source", "kinds"),
    [
        ("datetime.now()", {"naive", "clock"}),
        ("datetime.now(UTC)", {"clock"}),
        ("datetime.datetime.utcnow()", {"naive"}),
        ("date.today()", {"naive"}),
        ("datetime.fromtimestamp(1)", {"naive"}),
        ("datetime.fromtimestamp(1, UTC)", set()),
        ("datetime.fromtimestamp(1, tz=UTC)", set()),
        ("datetime(2026, 1, 1)", {"naive"}),
        ("datetime(2026, 1, 1, tzinfo=UTC)", set()),
        ("datetime.combine(d, t)", {"naive"}),
        ("datetime.combine(d, t, tzinfo=z)", set()),
        ("time.time()", {"clock"}),
        ("time.monotonic()", set()),
        ("clock.now()", set()),
        ("date(2026, 1, 1)", set()),
    ],
)
def test_naive_times_and_looks_at_the_clock_are_noticed(source, kinds):
    assert {kind for kind, _ in times(source)} == kinds
