"""Publish texts and find the one to use: the tenant's latest version before the one that comes with Farwire."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from farwire.base import audit
from farwire.base.clock import Clock
from farwire.base.storage import Tx
from farwire.communication.model import Channel, Template, TemplateKey, check_template, languages
from farwire.communication.service.builtin import builtin_templates
from farwire.communication.store import templates as store
from farwire.kernel.errors import Invalid, NotFound
from farwire.kernel.page import Page, PageRequest
from farwire.kernel.tenancy import Actor


async def publish_template(
    tx: Tx,
    *,
    code: str,
    language: str,
    channel: Channel,
    subject: str,
    body: str,
    variables: Iterable[str] | None = None,
    required: Iterable[str] | None = None,
    actor: Actor,
    clock: Clock,
) -> Template:
    """Publish the next version of a text; messages that are queued already keep theirs.

    ``variables`` and ``required`` are given with the first text of a code of the tenant's own, and are those of the
    code from then on. The same text again is no new version. Raises ``Invalid``: what ``check_template`` raises,
    ``communication.variables`` for other variables than the code has.
    """
    await store.lock_code(tx, code)
    latest = {template.key: template for template in await store.latest_templates(tx, codes=[code])}
    known = next(iter([*_builtin(code), *latest.values()]), None)
    key = TemplateKey(code, language.lower(), channel)
    declared = _contract(known, variables, required)
    before = latest.get(key)
    now = clock.now()
    version = 1 if before is None else before.version + 1
    template = check_template(Template(key, version, subject, body, *declared, published_at=now))
    if before is not None and (before.subject, before.body) == (subject, body):
        return before
    await store.add_template(tx, template)
    await audit.record(
        tx,
        actor=actor,
        action="communication.template_published",
        subject=f"{code}/{key.language}/{channel.value}",
        at=now,
        detail={"version": version},
    )
    return template


def _builtin(code: str) -> Sequence[Template]:
    return [template for key, template in builtin_templates().items() if key.code == code]


def _contract(
    known: Template | None, variables: Iterable[str] | None, required: Iterable[str] | None
) -> tuple[frozenset[str], frozenset[str]]:
    """Return the variables of a code, and which of them each text must show."""
    given = (None if variables is None else frozenset(variables), frozenset(required or ()))
    if known is None:
        return given[0] or frozenset(), given[1]
    if given[0] not in (None, known.variables) or (required is not None and given[1] != known.required):
        raise Invalid(
            "the code has other variables",
            code="communication.variables",
            field="variables",
            value=", ".join(sorted(given[0] or ())),
            fix=f"use {', '.join(sorted(known.variables))}, or another code",
        )
    return known.variables, known.required


async def find_template(
    tx: Tx, *, code: str, channel: Channel, language: str, fallbacks: Sequence[str] = ()
) -> Template:
    """Return the text for a receiver who reads ``language``; where there is none, one in a fallback or in English.

    Raises ``NotFound`` (``communication.template_unknown``).
    """
    own = {template.key: template for template in await store.latest_templates(tx, codes=[code])}
    built_in = builtin_templates()
    for tag in languages(language, fallbacks):
        key = TemplateKey(code, tag, channel)
        found = own.get(key) or built_in.get(key)
        if found is not None:
            return found
    raise NotFound(
        f"{code} has no text for {channel} in {language}",
        code="communication.template_unknown",
        field="code",
        value=code,
        fix="farwire message templates; farwire message publish",
    )


async def has_template(tx: Tx, *, code: str, channel: Channel) -> bool:
    """Return whether ``code`` has a text for ``channel`` in any language."""
    if any(key.channel is channel for key in (template.key for template in _builtin(code))):
        return True
    return any(t.key.channel is channel for t in await store.latest_templates(tx, codes=[code]))


async def list_templates(tx: Tx, *, page: PageRequest, code: str | None = None) -> Page[Template]:
    """Return the texts in use, by code, language and channel: the tenant's own version hides that of Farwire."""
    found: dict[TemplateKey, Template] = dict(_all(code))
    for template in await store.latest_templates(tx, codes=None if code is None else [code]):
        found[template.key] = template
    ordered = sorted(found.values(), key=lambda t: (t.key.code, t.key.language, t.key.channel))
    return page.of(ordered)


def _all(code: str | None) -> Mapping[TemplateKey, Template]:
    return {key: t for key, t in builtin_templates().items() if code is None or key.code == code}
