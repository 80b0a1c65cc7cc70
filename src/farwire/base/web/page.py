"""The API's pages for people, made from the OpenAPI document. No script, no font, nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from typing import Any, Final

import msgspec

STYLE: Final = """
:root{color-scheme:light dark;--ink:#1a1c1e;--soft:#555c63;--paper:#fff;--line:#c9ced3;--mark:#005a9c;--code:#f3f5f7}
@media(prefers-color-scheme:dark){:root{--ink:#e8eaec;--soft:#a9b1b8;--paper:#15181b;--line:#3c434a;
--mark:#7cc0ff;--code:#1f2429}}
*{box-sizing:border-box}
body{font:1rem/1.55 system-ui,sans-serif;color:var(--ink);background:var(--paper);
margin:0 auto;padding:1rem;max-width:60rem}
a{color:var(--mark)}a:focus-visible,summary:focus-visible{outline:3px solid var(--mark);outline-offset:2px}
h1{font-size:1.6rem;margin:.5rem 0}h2{font-size:1.25rem;margin:2rem 0 .5rem;border-bottom:1px solid var(--line)}
h3{font-size:1rem;margin:1rem 0 .25rem}
code,pre{font:.9rem/1.45 ui-monospace,monospace;background:var(--code);overflow-wrap:anywhere}code{padding:.1em .3em}
pre{padding:.75rem;overflow-x:auto;border:1px solid var(--line)}
details{border:1px solid var(--line);border-radius:.25rem;margin:.5rem 0;padding:0 .75rem}
summary{cursor:pointer;padding:.6rem 0;min-height:2.75rem}
summary b{display:inline-block;min-width:3.5rem;color:var(--mark)}
.soft{color:var(--soft)}.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.35rem .6rem .35rem 0;border-top:1px solid var(--line)}
.skip{position:absolute;left:-99rem}.skip:focus{position:static}
"""

STYLE_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'"
)
"""Content security policy of the pages: only their own style."""


def _html(title: str, body: str) -> bytes:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{STYLE}</style></head><body>{body}</body></html>"
    ).encode()


def landing_page(info: Mapping[str, Any]) -> bytes:
    """Return the page at ``/``: what this is and where to go."""
    return _html(
        info["title"],
        f"<main><h1>{escape(info['title'])} {escape(info['version'])}</h1><p>{escape(info['summary'])}</p><ul>"
        '<li><a href="/docs">API documentation</a></li><li><a href="/openapi.json">OpenAPI 3.1 document</a></li>'
        '<li><a href="/health/ready">Readiness</a></li><li><a href="/metrics">Metrics</a></li></ul>'
        "<p>Every call needs a key: <code>Authorization: Bearer fw_…</code>, "
        "made by <code>farwire key create</code>.</p></main>",
    )


def documentation_page(document: Mapping[str, Any]) -> bytes:
    """Return the page at ``/docs``: every operation with its parameters, answers and an example call."""
    tags = [tag["name"] for tag in document["tags"]]
    contents = "".join(f'<li><a href="#{_anchor(tag)}">{escape(tag)}</a></li>' for tag in tags)
    sections = "".join(_section(document, tag) for tag in tags)
    schemas = "".join(
        _schema(name, schema) for name, schema in sorted(document["components"]["schemas"].items())
    )
    info = document["info"]
    return _html(
        f"{info['title']} API",
        '<a class="skip" href="#operations">Skip to the operations</a>'
        f"<header><h1>{escape(info['title'])} API {escape(info['version'])}</h1>"
        '<p>Machines read <a href="/openapi.json">openapi.json</a> (OpenAPI 3.1). '
        "Send <code>Authorization: Bearer fw_…</code> with every call; "
        "<code>farwire key create</code> makes a key.</p></header>"
        f'<nav aria-label="Contents"><ul>{contents}<li><a href="#schemas">Types</a></li></ul></nav>'
        f'<main id="operations">{sections}<h2 id="schemas">Types</h2>{schemas}</main>',
    )


def _anchor(text: str) -> str:
    return "".join(character if character.isalnum() else "-" for character in text.lower())


def _section(document: Mapping[str, Any], tag: str) -> str:
    operations = "".join(
        _operation(method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if tag in operation["tags"]
    )
    return f'<section><h2 id="{_anchor(tag)}">{escape(tag)}</h2>{operations}</section>'


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    return (
        f'<details id="{escape(operation["operationId"])}"><summary><b>{method.upper()}</b> '
        f"<code>{escape(path)}</code> {escape(operation['summary'])}</summary><p>{_prose(operation['description'])}</p>"
        f"{_parameters(operation['parameters'])}{_request(operation)}{_answers(operation['responses'])}"
        f"<h3>Example</h3><pre>{escape(_example(method, path, operation))}</pre></details>"
    )


def _prose(text: str) -> str:
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts))


def _parameters(parameters: list[Mapping[str, Any]]) -> str:
    if not parameters:
        return ""
    rows = "".join(
        f"<tr><td><code>{escape(p['name'])}</code></td>"
        f"<td>{escape(p['in'])}{', required' if p['required'] else ''}</td>"
        f"<td>{_type(p['schema'])}</td><td>{_prose(p.get('description', ''))}</td></tr>"
        for p in parameters
    )
    return "<h3>Parameters</h3>" + _table(("Name", "Where", "Type", "Meaning"), rows)


def _table(columns: tuple[str, ...], rows: str) -> str:
    heads = "".join(f'<th scope="col">{column}</th>' for column in columns)
    return f'<div class="wide"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'


def _request(operation: Mapping[str, Any]) -> str:
    body = operation.get("requestBody")
    return (
        "" if body is None else f"<h3>Body</h3><p>{_type(body['content']['application/json']['schema'])}</p>"
    )


def _answers(responses: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{escape(status)}</td><td>{escape(answer['description'])}</td><td>{_content(answer)}</td></tr>"
        for status, answer in responses.items()
    )
    return "<h3>Answers</h3>" + _table(("Status", "When", "Body"), rows)


def _content(answer: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{_type(content['schema'])} <span class=soft>{escape(kind)}</span>"
        for kind, content in answer.get("content", {}).items()
    )


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f'<a href="#type-{escape(name)}">{escape(name)}</a>'
    if "anyOf" in schema:
        return " or ".join(_type(option) for option in schema["anyOf"])
    if schema.get("type") == "array":
        items = schema.get("items", {})
        return "list of " + (_type(items) if isinstance(items, Mapping) else "values")
    if "enum" in schema:
        return " | ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    kind = str(schema.get("format") or schema.get("type") or "any")
    bounds = [
        f"{word} {schema[key]}" for key, word in (("minimum", "from"), ("maximum", "to")) if key in schema
    ]
    if "default" in schema and schema["default"] is not None:
        bounds.append(f"default {schema['default']}")
    return escape(kind) + (f' <span class="soft">{escape(", ".join(bounds))}</span>' if bounds else "")


def _schema(name: str, schema: Mapping[str, Any]) -> str:
    required = schema.get("required", ())
    rows = "".join(
        f"<tr><td><code>{escape(attribute)}</code>{'' if attribute in required else ' (optional)'}</td>"
        f"<td>{_type(part)}</td><td>{_prose(part.get('description', ''))}</td></tr>"
        for attribute, part in schema.get("properties", {}).items()
    )
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("Attribute", "Type", "Meaning"))
    table = (
        f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
        if rows
        else f"<p>{_type(schema)}</p>"
    )
    first = (schema.get("description") or "").split("\n", 1)[0]
    return (
        f'<details id="type-{escape(name)}"><summary><code>{escape(name)}</code> '
        f'<span class="soft">{_prose(first)}</span></summary><div class="wide">{table}</div></details>'
    )


def _example(method: str, path: str, operation: Mapping[str, Any]) -> str:
    lines = [f"curl -s http://127.0.0.1:8080{path} \\", '  -H "Authorization: Bearer $FARWIRE_KEY"']
    if method != "get":
        lines[0] = lines[0].replace("curl -s", f"curl -s -X {method.upper()}")
    if "requestBody" in operation:
        lines[-1] += " \\"
        lines.append('  -H "Content-Type: application/json" -d @body.json')
    return "\n".join(lines)


def json_document(document: Mapping[str, Any]) -> bytes:
    """Return the document as it is served at ``/openapi.json``."""
    return msgspec.json.encode(document)
