"""Names say something, modules and contexts explain themselves, nothing names a place that is not ours."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

# "shell" and "service" are rooms with a meaning; these would hold anything.
BANNED = frozenset(
    [
        "util",
        "utils",
        "utilities",
        "helper",
        "helpers",
        "common",
        "commons",
        "manager",
        "managers",
        "misc",
        "miscellaneous",
        "shared",
        "base_class",
        "base_classes",
        "generic",
        "stuff",
        "tools",
        "toolbox",
        "handlers",
        "functions",
        "lib",
        "core",
        "impl",
        "various",
        "other",
    ]
)
README_LINES = 200
DECISION_LINES = 40
DECISION_PARTS = ("Context", "Decision", "Consequences", "Alternatives")


def banned_names(path: str) -> list[str]:
    """Return the parts of ``path`` that say nothing: ``utils.py``, ``session_manager.py``, ``base_class_x.py``."""
    bad = []
    for part in Path(path).with_suffix("").parts:
        words = part.strip("_").split("_")
        if (
            part in BANNED
            or part.startswith("base_class")
            or words[-1] in BANNED & {"utils", "helpers", "manager"}
        ):
            bad.append(part)
    return bad


def test_no_module_has_a_name_that_says_nothing(sources):
    assert {path: found for path in sources if (found := banned_names(path))} == {}


@pytest.mark.parametrize(
    "path",
    ["farwire/usage/utils.py", "farwire/common/x.py", "farwire/usage/session_manager.py", "a/base_class.py"],
)
def test_a_name_that_says_nothing_is_noticed(path):
    assert banned_names(path)


def test_a_name_that_says_something_passes():
    assert banned_names("farwire/base/storage/database.py") == []
    assert banned_names("farwire/cli/shell.py") == []


def test_every_module_has_a_docstring(sources):
    missing = [path for path, text in sources.items() if not ast.get_docstring(ast.parse(text))]
    assert missing == []


def public_without_docstring(source: str) -> list[str]:
    """Return the public classes and functions at the top of a module that have no docstring."""
    return [
        node.name
        for node in ast.parse(source).body
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]


def test_every_public_name_of_a_public_room_has_a_docstring(sources):
    missing = {
        path: found
        for path, text in sources.items()
        if re.search(r"/(model|service|events)(/|\.py)", path) and (found := public_without_docstring(text))
    }
    assert missing == {}


def test_a_missing_docstring_is_noticed():
    assert public_without_docstring("def f(): pass\nclass A: ...\ndef _g(): pass") == ["f", "A"]


def test_every_context_explains_itself_in_a_readme(contexts):
    for context in contexts:
        readme = context / "README.md"
        assert readme.is_file(), f"{context.name} has no README.md"
        text = readme.read_text(encoding="utf-8")
        assert 5 <= text.count("\n") < README_LINES, (
            f"{context.name}/README.md has {text.count(chr(10))} lines"
        )
        assert re.search(r"\bOwns\b", text, re.IGNORECASE), (
            f"{context.name}/README.md does not say what it owns"
        )


# ---- decisions


def decision_problems(files: dict[str, str]) -> list[str]:
    """Return what is wrong with decision records: numbers, length, parts."""
    bad = []
    numbers = []
    for name, text in sorted(files.items()):
        found = re.fullmatch(r"(\d{4})-[a-z0-9]+(-[a-z0-9]+)*\.md", name)
        if not found:
            bad.append(f"{name}: name it 0001-what-was-decided.md")
            continue
        numbers.append(int(found.group(1)))
        if text.count("\n") > DECISION_LINES:
            bad.append(f"{name}: {text.count(chr(10))} lines, not more than {DECISION_LINES}")
        if not text.startswith(f"# {numbers[-1]}. "):
            bad.append(f'{name}: begins with "# {numbers[-1]}. …"')
        bad += [f"{name}: has no {part}" for part in DECISION_PARTS if f"**{part}" not in text]
    if len(set(numbers)) != len(numbers):
        bad.append(f"a number is used twice: {numbers}")
    return bad


def test_decisions_are_numbered_and_short(root: Path):
    files = {p.name: p.read_text(encoding="utf-8") for p in (root / "docs" / "decisions").iterdir()}
    assert files
    assert decision_problems(files) == []


def test_a_bad_decision_record_is_noticed():
    good = "# 1. A\n\n**Context.**\n**Decision.**\n**Consequences.**\n**Alternatives.**\n"
    assert decision_problems({"0001-a.md": good}) == []
    assert decision_problems({"one.md": good})
    assert decision_problems({"0002-a.md": good})
    assert decision_problems({"0001-a.md": good, "0001-b.md": good})
    assert decision_problems({"0001-a.md": good + "\n" * 40})
    assert decision_problems({"0001-a.md": good.replace("**Alternatives.**", "")})


# ---- places that are not ours

# A gap is written into each word, so that this file does not name the places either.
_HOSTS = r"py~pi\.org|python~hosted|crates~\.io|registry\.np~mjs|maven~\.org|proxy\.go~lang|deb\.deb~ian"
_PATHS = r"(?<![\w.\x7e-])/(?:wo~rk|ro~ot)(?:/|\b)|/tm~p/[a-z]"
FOREIGN = re.compile(f"{_HOSTS}|{_PATHS}".replace("~", ""), re.IGNORECASE)


def test_no_file_names_a_registry_or_a_path_of_one_machine(tracked, root: Path):
    found = []
    for path in tracked:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(root)}:{number}: {match.group()}"
            for number, line in enumerate(text.splitlines(), 1)
            if (match := FOREIGN.search(line))
        ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "text", ["https://py" + "pi.org/simple", "see /wo" + "rk/main", "'/ro" + "ot/.cache'"]
)
def test_a_foreign_place_is_noticed(text):
    assert FOREIGN.search(text)


@pytest.mark.parametrize(
    "text", ["a framework/of", "network/x", "docs/work/x", "GET /tenants", "/rooted", "~/work/x"]
)
def test_an_innocent_text_passes(text):
    assert not FOREIGN.search(text)
