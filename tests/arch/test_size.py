"""Sizes: a file of 400 lines and a function of 40 are enough; what is over is listed and may not grow."""

from __future__ import annotations

import ast
import io
import tokenize
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

FILE_LIMIT, FILE_HARD = 400, 600
FUNCTION_LIMIT, FUNCTION_HARD = 40, 70
ENGINE_LIMIT = 2000
"""Lines of code of base/tmf: one engine for all Open APIs is only worth it while one person can know it."""
RATCHET = Path(__file__).with_name("size_ratchet.toml")


@pytest.fixture(scope="module")
def ratchet() -> Mapping[str, Mapping[str, object]]:
    """Return what may be over its limit, and what is exempt and why."""
    return tomllib.loads(RATCHET.read_text(encoding="utf-8"))


def functions(source: str, *, signatures: bool = True) -> Iterator[tuple[str, int]]:
    """Yield each function's qualified name and its lines, docstring, decorators and perhaps the signature apart."""

    def walk(node: ast.AST, prefix: str) -> Iterator[tuple[str, int]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                lines = (child.end_lineno or child.lineno) - child.lineno + 1
                first = child.body[0]
                if not signatures:
                    lines -= first.lineno - child.lineno
                if ast.get_docstring(child, clean=False) is not None:
                    lines -= (first.end_lineno or first.lineno) - first.lineno + 1
                yield prefix + child.name, lines
                yield from walk(child, f"{prefix}{child.name}.")
            elif isinstance(child, ast.ClassDef):
                yield from walk(child, f"{prefix}{child.name}.")
            else:
                yield from walk(child, prefix)

    yield from walk(ast.parse(source), "")


def over(sizes: Mapping[str, int], listed: Mapping[str, object], limit: int, hard: int) -> list[str]:
    """Return what is too large, has grown, or is listed without need."""
    bad = []
    for name, size in sizes.items():
        allowed = listed.get(name, limit)
        assert isinstance(allowed, int)
        if size > hard:
            bad.append(f"{name}: {size} lines, never more than {hard}; split it")
        elif size > max(allowed, limit):
            bad.append(f"{name}: {size} lines, not more than {max(allowed, limit)}; split it")
        elif name in listed and size <= limit:
            bad.append(f"{name}: {size} lines, no longer over {limit}; take it off size_ratchet.toml")
    bad += [f"{name}: is gone; take it off size_ratchet.toml" for name in listed if name not in sizes]
    return bad


def exempt(path: str, exempted: Mapping[str, object]) -> bool:
    """Return whether ``path`` lies in an exempt room: a compiled kernel or a table of facts."""
    return any(path == room or path.startswith(room.rstrip("/") + "/") for room in exempted)


def test_no_file_is_too_large(sources, ratchet):
    sizes = {p: t.count("\n") for p, t in sources.items() if not exempt(p, ratchet["exempt"])}
    found = over(sizes, ratchet["files"], FILE_LIMIT, FILE_HARD)
    assert not found, "\n".join(found)


def test_no_function_is_too_long(sources, ratchet):
    sizes: dict[str, int] = {}
    for path, text in sources.items():
        if not exempt(path, ratchet["exempt"]):
            # The signature of a command is its table of options.
            for name, lines in functions(text, signatures=not path.startswith("farwire/cli/")):
                key = f"{path}:{name}"
                sizes[key] = max(lines, sizes.get(key, 0))
    found = over(sizes, ratchet["functions"], FUNCTION_LIMIT, FUNCTION_HARD)
    assert not found, "\n".join(found)


def test_every_exemption_has_a_reason_and_something_to_exempt(sources, ratchet):
    for room, reason in ratchet["exempt"].items():
        assert isinstance(reason, str)
        assert len(reason) > 10
        assert any(exempt(path, {room: ""}) for path in sources), f"{room} is gone"


def test_a_function_is_measured_without_its_docstring():
    source = 'class A:\n    def f(self):\n        """One.\n\n        Two.\n        """\n        return 1\n'
    source += "\n\ndef g():\n    def h():\n        pass\n"
    assert dict(functions(source)) == {"A.f": 2, "g": 3, "g.h": 2}
    assert dict(functions("def f(\n    a,\n    b,\n):\n    pass\n", signatures=False)) == {"f": 1}


@pytest.mark.parametrize(
    ("size", "listed", "bad"),
    [
        (400, {}, False),
        (401, {}, True),
        (450, {"a": 450}, False),
        (451, {"a": 450}, True),
        (440, {"a": 450}, False),
        (601, {"a": 700}, True),
        (400, {"a": 450}, True),
        (10, {"b": 450}, True),
    ],
)
def test_growth_is_noticed(size, listed, bad):
    assert bool(over({"a": size}, listed, FILE_LIMIT, FILE_HARD)) is bad


def code_lines(source: str) -> int:
    """Return how many lines hold code: no blank ones, no comments, no docstrings and other texts that stand alone."""
    nothing = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in nothing and token.type != tokenize.ENDMARKER:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            lines -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


def test_the_engine_of_the_open_apis_stays_small(sources):
    sizes = {path: code_lines(text) for path, text in sources.items() if path.startswith("farwire/base/tmf/")}
    assert len(sizes) > 10
    assert sum(sizes.values()) < ENGINE_LIMIT, "\n".join(f"{size:5} {path}" for path, size in sizes.items())


def test_lines_of_code_are_counted_without_blank_lines_comments_and_docstrings():
    source = (
        '"""Doc.\n\nMore.\n"""\n\nA = 1  # why\n# not this\n"""About A."""\n\n\ndef f():\n    """Do."""\n'
    )
    assert code_lines(source + '    return """\n    x\n    """\n') == 5
