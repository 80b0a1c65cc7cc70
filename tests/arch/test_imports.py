"""Who may import whom: layers, private rooms, a pure kernel, pure models."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import grimp
import pytest
from importlinter.api import read_configuration

PRIVATE_ROOMS = ("store", "api")
MAY_SEE_API = ("farwire.app", "farwire.gateway", "farwire.console")
"""The composition root and the edges put routes together; nobody else reads them."""
PURE_ROOMS_IMPORT = (
    "farwire.kernel",
    "farwire.base.authz",  # roles and permissions: words and a pure check
    "farwire.base.canonical",  # canonical JSON for hashes: a pure function
    "msgspec",
    "numpy",
    "numba",
    "holidays",  # computes days; no I/O
)


def _layers(root: Path) -> list[set[str]]:
    options = read_configuration(str(root / ".importlinter"))["contracts_options"]
    (layers,) = [o["layers"] for o in options if o["containers"] == "farwire"]
    return [set(re.findall(r"[a-z_]+", line)) for line in layers]


def lint_imports(config: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter in a process of its own: it switches off the loggers of the one that it runs in."""
    command = [str(Path(sys.executable).parent / "lint-imports"), "--config", str(config), "--no-cache"]
    return subprocess.run(command, cwd=config.parent, capture_output=True, text=True, check=False)


def test_no_context_imports_upwards_or_sideways(root: Path):
    linted = lint_imports(root / ".importlinter")
    assert linted.returncode == 0, linted.stdout


def test_every_context_on_disk_stands_in_a_layer(root: Path, contexts):
    named = set().union(*_layers(root))
    assert {path.name for path in contexts} <= named


def test_the_layers_are_those_of_the_decision(root: Path):
    order = _layers(root)
    assert order[0] == {"app"}
    assert order[-2:] == [{"base"}, {"kernel"}]
    position = {name: i for i, line in enumerate(order) for name in line}
    assert (
        position["billing"]
        < position["usage"]
        < position["rating"]
        < position["catalog"]
        < position["tenant"]
    )


def _room_owner(module: str) -> tuple[str, str] | None:
    """Return (owner, room) of a module in a private room: ``farwire.usage.store.rows`` → (farwire.usage, store)."""
    parts = module.split(".")
    for index in range(2, len(parts)):
        if parts[index] in PRIVATE_ROOMS and not (parts[1] == "base" and parts[index] == "api"):
            return ".".join(parts[:index]), parts[index]
    return None


def intrusions(edges: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield each import of a private room by a stranger."""
    for importer, imported in edges:
        found = _room_owner(imported)
        if found is None:
            continue
        owner, room = found
        if importer == owner or importer.startswith(owner + "."):
            continue
        if room == "api" and importer.startswith(MAY_SEE_API):
            continue
        yield f"{importer} imports the private room {imported}"


def test_store_and_api_are_private_to_their_context():
    graph = grimp.build_graph("farwire", cache_dir=None)
    edges = [(a, b) for a in graph.modules for b in graph.find_modules_directly_imported_by(a)]
    assert len(edges) > 100
    assert list(intrusions(edges)) == []


@pytest.mark.parametrize(
    ("importer", "imported", "bad"),
    [
        ("farwire.billing.service", "farwire.usage.store", True),
        ("farwire.billing.service", "farwire.usage.store.rows", True),
        ("farwire.billing.service", "farwire.usage.service", False),
        ("farwire.usage.service", "farwire.usage.store.rows", False),
        ("farwire.usages.service", "farwire.usage.store", True),
        ("farwire.cli.bill", "farwire.billing.api.tmf678", True),
        ("farwire.app", "farwire.billing.api.tmf678", False),
        ("farwire.app", "farwire.billing.store", True),
        ("farwire.tenant.api.keys", "farwire.base.web.api", False),
        ("farwire.usage.service", "farwire.base.audit.store", True),
    ],
)
def test_an_intrusion_is_noticed(importer, imported, bad):
    assert bool(list(intrusions([(importer, imported)]))) is bad


def imported_names(source: str) -> set[str]:
    """Return every module that ``source`` imports, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return found


def foreign(source: str, allowed: tuple[str, ...]) -> set[str]:
    """Return imports that are neither of the standard library nor ``allowed``."""
    return {
        name
        for name in imported_names(source)
        if name.split(".")[0] not in sys.stdlib_module_names
        and not any(name == ok or name.startswith(ok + ".") for ok in allowed)
    }


def test_the_kernel_needs_only_the_standard_library(sources):
    for path, text in sources.items():
        if path.startswith("farwire/kernel/"):
            assert foreign(text, ("farwire.kernel",)) == set(), path


def impurities(path: str, source: str) -> list[str]:
    """Return what a model room must not have: coroutines, and imports of anything but kernel and models."""
    bad = [
        f"{path}:{node.lineno} is a coroutine"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith))
    ]
    models = r"farwire\.[a-z]+\.(model|events)(\.|$)"
    bad += [
        f"{path} imports {name}" for name in foreign(source, PURE_ROOMS_IMPORT) if not re.match(models, name)
    ]
    return bad


def test_models_are_pure(sources):
    found = [
        problem
        for path, text in sources.items()
        if re.match(r"farwire/(?!base/)[a-z]+/model(/|\.py)", path)
        for problem in impurities(path, text)
    ]
    assert found == []


def test_an_impure_model_is_noticed():
    assert impurities("m.py", "import asyncpg")
    assert impurities("m.py", "async def load(): ...")
    assert impurities("m.py", "def f():\n    from farwire.usage.store import rows")
    assert impurities("m.py", "from farwire.base.clock import Clock")
    assert not impurities(
        "m.py", "import re\nfrom farwire.kernel.money import Money\nfrom farwire.country.model import x"
    )


def test_a_wrong_import_is_refused_by_the_contract(root: Path, tmp_path: Path):
    """The contract itself, on a small tree of another name with one upward import."""
    package = tmp_path / "smallwire"
    for name in ("kernel", "base", "usage", "billing", "gateway", "gateway/diameter", "gateway/radius"):
        (package / name).mkdir(parents=True)
        (package / name / "__init__.py").write_text("")
    (package / "__init__.py").write_text("")
    (package / "app.py").write_text("")
    contract = (root / ".importlinter").read_text().replace("farwire", "smallwire")
    config = tmp_path / ".importlinter"
    config.write_text(contract)
    assert lint_imports(config).returncode == 0
    (package / "usage" / "__init__.py").write_text("import smallwire.billing\n")
    assert lint_imports(config).returncode == 1
    (package / "usage" / "__init__.py").write_text("")
    (package / "gateway" / "radius" / "__init__.py").write_text("import smallwire.gateway.diameter\n")
    assert lint_imports(config).returncode == 1
    (package / "gateway" / "radius" / "__init__.py").write_text("")
    (package / "misfit").mkdir()
    (package / "misfit" / "__init__.py").write_text("")
    assert lint_imports(config).returncode == 1
