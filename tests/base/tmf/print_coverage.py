"""Writes docs/tmf-coverage.md from the tables of all APIs: ``python tests/base/tmf/print_coverage.py``."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from farwire import app
from farwire.base.tmf import Api, Operation, Resource, Version
from farwire.base.tmf.resource import SERVED
from farwire.base.tmf_tasks import Task

PAGE = Path(__file__).parents[3] / "docs" / "tmf-coverage.md"
HEAD = """# TM Forum Open APIs: what is served

Made from the tables of the APIs by `python tests/base/tmf/print_coverage.py`; a test holds it. What we do otherwise
than the official documents, and why, stands in `tests/base/tmf/differences.toml`; a test holds that too. How the APIs
behave: [tmf.md](tmf.md).

Level: **behaviour** is served by functions of a context; **task** does its work, at once or in a worker, and is kept
with what came of it; **states** is kept as a document whose state follows a table; **document** is kept as a document.
Every API has a hub for its events in each version.
"""
COLUMNS = ("resource", "versions", "operations", "events", "level", "context")


def page() -> str:
    """Return the whole page."""
    served = sorted(SERVED.all(), key=lambda one: one[0].number)
    lines = [HEAD]
    apis = {api.number for api, _ in served}
    levels = [level(resource) for _, resource in served]
    counts = ", ".join(f"{levels.count(name)} {name}" for name in ("behaviour", "task", "states", "document"))
    lines.append(f"{len(apis)} APIs with {len(served)} resources: {counts}.")
    for number, group in groupby(served, key=lambda one: one[0].number):
        rows = list(group)
        lines += ["", f"## TMF{number} {rows[0][0].title}", "", *paths(rows[0][0]), ""]
        lines += [f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
        lines += [f"| {' | '.join(row(api, resource))} |" for api, resource in rows]
    return "\n".join(lines) + "\n"


def paths(api: Api) -> Iterator[str]:
    yield " ".join(f"`{api.base(version)}`" for version in api.versions)


def row(api: Api, resource: Resource) -> tuple[str, ...]:
    one = resource.descriptor
    versions = [version for version in api.versions if version in one.versions]
    old = f" (v4: {one.v4_path})" if one.v4_path and Version.V4 in versions else ""
    return (
        (f"{one.inside.path}/" if one.inside else "") + one.path + old,
        " ".join(versions),
        " ".join(operation for operation in Operation if operation in one.operations),
        " ".join(one.events) or "–",
        level(resource),
        resource.context,
    )


def level(resource: Resource) -> str:
    if resource.behaviour is not None:
        return "behaviour"
    made = resource.work is not None and Operation.PATCH not in resource.descriptor.operations
    if made or isinstance(resource.work or resource.task, Task):
        return "task"
    return "document" if resource.descriptor.lifecycle is None else "states"


if __name__ == "__main__":
    app.api_routes()
    PAGE.write_text(page(), encoding="utf-8")
