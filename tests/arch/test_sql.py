"""SQL: every statement of a store names the tenant, and no context reads another one's tables."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

STORE = re.compile(r"farwire/(.+?)/store(/|\.py)")
ALLOWED = Path(__file__).with_name("untenanted_sql.toml")
_VERBS = r"WITH|SELECT|INSERT\s+INTO|UPDATE|DELETE\s+FROM|MERGE|COPY|TRUNCATE"
_STATEMENT = re.compile(rf"^\s*(--[^\n]*\n\s*)*({_VERBS})\b\s*\S", re.IGNORECASE)
_TABLE = re.compile(
    r"(?<!DISTINCT )\b(?:FROM|JOIN|INTO|UPDATE|TABLE|REFERENCES|USING|INDEX \w+ ON)\s+(?:ONLY\s+)?"
    r"([a-z_][a-z0-9_]*)\.([a-z_][a-z0-9_]*)",
    re.IGNORECASE,
)
_SYSTEM = frozenset({"pg_catalog", "information_schema", "excluded", "new", "old"})

Scope = Mapping[str, "str | list[str]"]


def _read(node: ast.AST, scope: Scope) -> str | list[str] | None:
    """Return the text of a string expression (or of a list of them) with the names of ``scope`` filled in.

    What cannot be told is ``{}``. None for what is no text.
    """
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(_part(value, scope) for value in node.values)
    if isinstance(node, ast.FormattedValue):
        return _read(node.value, scope)
    if isinstance(node, ast.Name):
        return scope.get(node.id)
    if isinstance(node, (ast.List, ast.Tuple)):
        items = [_read(item, scope) for item in node.elts]
        return [item for item in items if isinstance(item, str)] or None
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Mod)):
        left, right = _read(node.left, scope), _read(node.right, scope)
        return None if left is None and right is None else _plain(left) + _plain(right)
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "join"
        and node.args
    ):
        joined = _read(node.args[0], scope)
        return " ".join(joined) if isinstance(joined, list) else joined
    return None


def _plain(text: str | list[str] | None) -> str:
    return text if isinstance(text, str) else "{}"


def _part(node: ast.AST, scope: Scope) -> str:
    return _plain(_read(node, scope))


def _assigned(body: list[ast.stmt], outer: Scope) -> dict[str, str | list[str]]:
    """Return the texts that a module or function gives a name, those of ``outer`` included."""
    scope = dict(outer)
    for statement in body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Assign):
                pairs = list(zip(*(_several(side) for side in (node.targets[0], node.value)), strict=False))
            elif isinstance(node, ast.AnnAssign) and node.value is not None:
                pairs = [(node.target, node.value)]
            else:
                continue
            for target, value in pairs:
                text = _read(value, scope)
                if isinstance(target, ast.Name) and text is not None:
                    scope[target.id] = text
    return scope


def _several(node: ast.expr) -> list[ast.expr]:
    return list(node.elts) if isinstance(node, ast.Tuple) else [node]


def texts(source: str) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of every string expression of a module, docstrings apart."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            body[0] = ast.Pass()

    def walk(node: ast.AST, scope: Scope) -> Iterator[tuple[int, str]]:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            scope = _assigned(node.body, scope)
        if isinstance(node, (ast.Constant, ast.JoinedStr, ast.BinOp)):
            text = _read(node, scope)
            if isinstance(text, str):
                yield node.lineno, text
                return
        for child in ast.iter_child_nodes(node):
            yield from walk(child, scope)

    top = [node for node in tree.body if isinstance(node, (ast.Assign, ast.AnnAssign))]
    yield from walk(tree, _assigned(top, {}))


def statements(source: str) -> Iterator[tuple[int, str]]:
    """Yield (line, SQL) of every statement in a module. A table must follow: "Select a plan" is no SQL."""
    for line, text in texts(source):
        if _STATEMENT.match(text) and re.search(r"\b(FROM|INTO|SET|SELECT)\b", text):
            yield line, " ".join(text.split())


def is_scoped(sql: str, free: frozenset[str] = frozenset()) -> bool:
    """Return whether ``sql`` is bound to a tenant, or needs not: no table at all, or only ``free`` tables.

    A column list is no bond: the tenant must stand behind the first FROM or SET, or in the columns of an INSERT.
    """
    tables = {f"{schema}.{table}".lower() for schema, table in _TABLE.findall(sql)}
    if tables <= free and (tables or "{}" not in sql):
        return True
    bound = sql if re.match(r"(?i)\s*INSERT", sql) else re.split(r"\b(?:FROM|SET)\b", sql, maxsplit=1)[-1]
    return "tenant_id" in bound


def untenanted(source: str, free: frozenset[str] = frozenset()) -> list[str]:
    """Return the statements of a module that are bound to no tenant."""
    return [f"{line}: {sql[:160]}" for line, sql in statements(source) if not is_scoped(sql, free)]


_FREE = re.compile(
    r"untenanted_table\(\s*'(\w+)',\s*'(\w+)'|INTO base\.untenanted VALUES\s*\(\s*'(\w+)',\s*'(\w+)'"
)


@pytest.fixture(scope="module")
def free(contexts) -> frozenset[str]:
    """Return the tables that a migration declared untenanted, with its reason."""
    found = set()
    for context in contexts:
        for file in (context / "migrations").glob("*.sql"):
            found |= {".".join(part for part in match if part) for match in _FREE.findall(file.read_text())}
    return frozenset(found)


@pytest.fixture(scope="module")
def allowed() -> Mapping[str, Mapping[str, str]]:
    """Return the modules and the statements (by a part of their text) that may do without a tenant, and why."""
    return tomllib.loads(ALLOWED.read_text(encoding="utf-8"))


def test_every_statement_of_a_store_names_the_tenant(sources, allowed, free):
    found = [
        f"{path}:{hit}"
        for path, text in sources.items()
        if STORE.match(path) and path not in allowed["modules"]
        for hit in untenanted(text, free)
        if not any(part in hit for part in allowed["statements"])
    ]
    assert not found, "\n".join(found)


def test_only_stores_speak_sql(sources):
    found = [
        f"{path}:{line}: {sql[:160]}"
        for path, text in sources.items()
        if not STORE.match(path) and not path.startswith("farwire/base/")
        for line, sql in statements(text)
    ]
    assert not found, "\n".join(found)


def test_the_list_of_untenanted_statements_is_short_needed_and_reasoned(sources, allowed, free):
    everything = [
        hit for path, text in sources.items() if STORE.match(path) for hit in untenanted(text, free)
    ]
    for path, reason in allowed["modules"].items():
        assert untenanted(sources[path], free), f"{path} needs no exception"
        assert len(reason) > 15
    for part, reason in allowed["statements"].items():
        assert any(part in hit for hit in everything), f"{part} needs no exception"
        assert len(reason) > 15
    assert len(allowed["modules"]) + len(allowed["statements"]) <= 12


def test_the_untenanted_tables_are_few(free):
    assert 1 <= len(free) <= 12
    assert "usage.record" not in free


def strangers(context: str, sql: str) -> set[str]:
    """Return the schemas of tables in ``sql`` that are not the context's own."""
    plain = re.sub(r"--[^\n]*|/\*.*?\*/|'[^']*'", " ", sql, flags=re.DOTALL)
    schemas = {schema.lower() for schema, _ in _TABLE.findall(plain)}
    aliases = {
        a.lower() for a in re.findall(r"(?:\bAS\s+|[a-z_]+\.[a-z_]+\s+)([a-z_]+)\b", plain, re.IGNORECASE)
    }
    return schemas - {context} - _SYSTEM - aliases


def test_no_context_touches_the_tables_of_another(sources, contexts, root: Path):
    names = {path.name for path in contexts}
    found = []
    for path, text in sources.items():
        context = path.split("/")[1].removesuffix(".py")
        for line, sql in statements(text):
            found += [f"{path}:{line}: {schema}" for schema in strangers(context, sql) & names]
    for context in contexts:
        for file in sorted((context / "migrations").glob("*.sql")):
            found += [
                f"{file.relative_to(root)}: {schema}"
                for schema in strangers(context.name, file.read_text()) & names
            ]
    assert not found, "\n".join(found)


def test_there_is_sql_to_check(sources):
    count = sum(len(list(statements(text))) for path, text in sources.items() if STORE.match(path))
    assert count > 50


@pytest.mark.parametrize(
    ("source", "bad"),
    [
        ('x("SELECT a FROM usage.record WHERE id = $1")', True),
        ('x("SELECT a FROM usage.record WHERE tenant_id = $1")', False),
        ('C = "tenant_id, a"\nx(f"SELECT {C} FROM usage.record")', True),
        ('W = "tenant_id = $1"\nx(f"SELECT a FROM usage.record WHERE {W}")', False),
        ('C = "a"\nx(f"SELECT {C} FROM usage.record")', True),
        ('x("DELETE FROM usage.record "\n  "WHERE id = $1")', True),
        ('x("UPDATE usage.record SET a = 1" + " WHERE tenant_id = $1")', False),
        ('x("INSERT INTO usage.record (a) VALUES ($1)")', True),
        ('x("WITH r AS (SELECT a FROM usage.record) SELECT * FROM r")', True),
        ('x("SELECT tenant_id, a FROM usage.record WHERE id = $1")', True),
        ('def f():\n    w = "tenant_id = $1"\n    x(f"SELECT a FROM usage.record WHERE {w}")', False),
        (
            'def f():\n    w = ["tenant_id = $1"]\n    v = " AND ".join(w)\n    x(f"SELECT a FROM u.r WHERE {v}")',
            False,
        ),
        ('def f(w):\n    x(f"SELECT count(*) {w}")', True),
        ('x("SELECT pg_advisory_xact_lock($1)")', False),
        ('x("SELECT a FROM tenant.tenant WHERE name = $1")', False),
        ('x("SELECT a FROM tenant.tenant t JOIN usage.record r ON true")', True),
        ('def f():\n    """Select rows from the store."""', False),
        ('x("select a plan")', False),
    ],
)
def test_a_statement_without_a_tenant_is_noticed(source, bad):
    assert bool(untenanted(source, frozenset({"tenant.tenant"}))) is bad


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("SELECT 1 FROM usage.record r JOIN billing.bill b ON b.id = r.id", {"billing"}),
        ("SELECT 1 FROM usage.record r JOIN usage.import i ON i.id = r.id", set()),
        ("INSERT INTO ledger.entry VALUES (1)", {"ledger"}),
        ("CREATE TABLE usage.x (a uuid REFERENCES account.account)", {"account"}),
        ("SELECT base.tenant_table('usage', 'record')", set()),
        ("-- FROM billing.bill\nSELECT 1 FROM usage.record", set()),
        ("SELECT 1 FROM pg_catalog.pg_class", set()),
    ],
)
def test_a_foreign_table_is_noticed(sql, found):
    assert strangers("usage", sql) == found
