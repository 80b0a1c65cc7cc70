"""Prints the descriptors of an API as the official documents have them, for a person to review and to shorten.

    python tests/base/tmf/print_tables.py ../shared/data/tmf 648

What no document says is left to the person: targets of references (``->620/Category``), lifecycles, defaults, and which
times the server gives. Comments (#) show where v4 and v5 differ, and the values that a document allows.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import official

from farwire.base.tmf import Version

STANDARD = {"id", "href", "@type", "@baseType", "@schemaLocation"}
FLAT = {"RelatedParty": "RelatedPartyRefOrPartyRoleRef", "RelatedPartyRef": "RelatedPartyRefOrPartyRoleRef"}


def tables(folder: Path, api: str) -> Iterator[str]:
    """Yield the lines of a module of tables."""
    documents = {v: d for v in Version if (d := official.load(folder, api, v)) is not None}
    newest = documents[max(documents)]
    yield f"# TMF{api}: {', '.join(documents)}; base {newest.get('basePath') or newest.get('servers')}"
    for path, operations in official.collections(newest).items():
        outer, _, path = path.rpartition("/")  # noqa: PLW2901
        kind = path[0].upper() + path[1:]
        yield from ("", "", f"{re.sub(r'(?<!^)(?=[A-Z])', '_', kind).upper()}: Final = Descriptor(")
        yield from (f'    type="{kind}",', f'    path="{path}",')
        if outer:
            yield f'    inside=Inside("{outer}", "{outer[0].upper() + outer[1:]}"),'
        if operations != {"list", "get", "create", "patch", "delete"}:
            yield f"    operations=frozenset({{{', '.join('Operation.' + o.upper() for o in sorted(operations))}}}),"
        kinds = {one[0].upper() + one[1:] for one in official.collections(newest)}
        words = {v: sorted(official.events(d, kind, kinds)) for v, d in documents.items()}
        yield f"    events=({''.join(f'{chr(34)}{w}{chr(34)}, ' for w in sorted(set().union(*words.values())))}),"
        yield f"    # events by version: {words}"
        yield from ("    own=attributes(", '        """')
        rows = list(attributes(documents, kind))
        widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
        for name, what, words_ in rows:
            yield f"        {name:{widths[0]}} {what:{widths[1]}} {words_}".rstrip()
        yield from ('        """', "    ),", ")")


def attributes(documents: dict[Version, dict[str, Any]], kind: str) -> Iterator[tuple[str, str, str]]:
    """Yield name, type and words of each attribute."""
    shapes = {v: official.shape(d, kind)[0] for v, d in documents.items()}
    musts = {v: official.required(d, kind) for v, d in documents.items()}
    for name in sorted(set().union(*shapes.values()) - STANDARD):
        types = {v: official.type_name(documents[v], s[name]) for v, s in shapes.items() if name in s}
        newest = max(types)
        plain = types[newest].removesuffix("[]")
        words = [newest.value] if len(types) < len(documents) else []
        must = [v for v in types if name in musts[v]]
        if must:
            words.append("required" if len(must) == len(types) else f"required={must[0]}")
        values = official.states(documents[newest], shapes[newest][name])
        notes = [
            f"{v}: {t}" for v, t in types.items() if FLAT.get(t, t) != FLAT.get(types[newest], types[newest])
        ]
        notes += [" | ".join(map(str, values))] if values else []
        shown = FLAT.get(plain, plain) + ("[]" if types[newest].endswith("[]") else "")
        yield name, shown, " ".join(words) + ("  # " + "; ".join(notes) if notes else "")


if __name__ == "__main__":
    sys.stdout.write("\n".join(tables(Path(sys.argv[1]), sys.argv[2])) + "\n")
