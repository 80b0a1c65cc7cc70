"""Templates: checked when they are published, versioned, found in the receiver's language."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.communication.model import Channel, Template, TemplateKey, check_template, languages, render
from farwire.communication.service import (
    builtin_templates,
    find_template,
    has_template,
    list_templates,
    publish_template,
)
from farwire.kernel.errors import Invalid, NotFound
from farwire.kernel.ids import TenantId
from farwire.kernel.page import PageRequest
from farwire.kernel.tenancy import SYSTEM


async def publish(db: Database, tenant_id: TenantId, clock: MovableClock, **options: object) -> Template:
    given = {
        "code": "order_completed", "language": "de", "channel": Channel.SMS, "subject": "", "body": "Fertig: {order}",
    }  # fmt: skip
    async with db.transaction(tenant_id) as tx:
        return await publish_template(tx, actor=SYSTEM, clock=clock, **given | options)  # type: ignore[arg-type]


def test_every_text_that_comes_with_farwire_is_in_three_languages() -> None:
    found = builtin_templates()
    codes = {key.code for key in found}
    assert codes == {
        "bill_issued", "bill_nothing_due", "credit_note_issued", "order_completed",
        "order_held", "allowance_used", "payment_received",
    }  # fmt: skip
    for code in codes:
        channels = {key.channel for key in found if key.code == code}
        assert {Channel.EMAIL, Channel.SMS} <= channels
        for channel in channels:
            assert {k.language for k in found if (k.code, k.channel) == (code, channel)} == {"de", "en", "fr"}


async def test_a_tenants_own_text_goes_before_the_one_that_comes_along(
    db: Database, tenant_id: TenantId, other_tenant_id: TenantId, clock: MovableClock
) -> None:
    first = await publish(db, tenant_id, clock)
    assert first.version == 1
    assert (await publish(db, tenant_id, clock)).version == 1  # The same text is no new version.
    assert (await publish(db, tenant_id, clock, body="Bereit: {order}")).version == 2
    for tenant, version in ((tenant_id, 2), (other_tenant_id, 0)):
        async with db.transaction(tenant) as tx:
            found = await find_template(tx, code="order_completed", channel=Channel.SMS, language="de-AT")
            assert found.version == version
            page = await list_templates(tx, page=PageRequest(0, 1000), code="order_completed")
            assert sum(t.version == version for t in page.items) >= 1


async def test_a_language_that_is_missing_falls_back_and_at_last_to_english(
    db: Database, tenant_id: TenantId
) -> None:
    async with db.transaction(tenant_id) as tx:
        for wanted, fallbacks, found in (
            ("fr-CA", (), "fr"),
            ("yo-NG", ("fr",), "fr"),
            ("yo", (), "en"),
            ("", (), "en"),
        ):
            text = await find_template(
                tx, code="bill_issued", channel=Channel.EMAIL, language=wanted, fallbacks=fallbacks
            )
            assert text.key.language == found
        assert await has_template(tx, code="order_held", channel=Channel.PUSH)
        assert not await has_template(tx, code="order_held", channel=Channel.LETTER)
        with pytest.raises(NotFound):
            await find_template(tx, code="order_held", channel=Channel.LETTER, language="de")


def test_the_languages_to_try() -> None:
    assert languages("zh-Hant-TW", ("de-DE",)) == ("zh-hant-tw", "zh-hant", "zh", "de-de", "de", "en")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"body": "{order} {typo}"}, "variable_unknown"),
        ({"body": "Fertig"}, "variable_missing"),
        ({"body": "{order.__class__}"}, "placeholder"),
        ({"body": "{order[0]}"}, "placeholder"),
        ({"body": "{order!r}"}, "placeholder"),
        ({"body": "{order:>10}"}, "placeholder"),
        ({"body": "{order} {"}, "placeholder"),
        ({"body": "{} {order}"}, "placeholder"),
        ({"body": " \n"}, "too_short"),
        ({"body": "{order}" + "x" * 20_000}, "too_long"),
        ({"channel": Channel.EMAIL}, "subject"),
        ({"channel": Channel.EMAIL, "subject": "Fertig\nBcc: x@y.de"}, "subject"),
        ({"code": "Order"}, "code"),
        ({"language": "deutsch!"}, "language"),
        ({"variables": ["order", "more"]}, "variables"),
        ({"code": "own", "variables": ["order"], "required": ["other"]}, "variables"),
    ],
)
async def test_a_text_that_cannot_work_is_refused_and_leaves_no_trace(
    db: Database, tenant_id: TenantId, clock: MovableClock, options: dict[str, object], code: str
) -> None:
    with pytest.raises(Invalid) as refused:
        await publish(db, tenant_id, clock, **options)
    assert refused.value.code == f"communication.{code}"
    async with db.transaction(tenant_id) as tx:
        assert await tx.fetchval("SELECT count(*) FROM communication.template") == 0


async def test_a_code_of_ones_own_keeps_its_variables(
    db: Database, tenant_id: TenantId, clock: MovableClock
) -> None:
    own = {"code": "summer_offer", "body": "Hallo {name}!", "variables": ["name"], "required": ["name"]}
    await publish(db, tenant_id, clock, **own)
    french = await publish(db, tenant_id, clock, code="summer_offer", language="fr", body="Bonjour {name}!")
    assert french.required == {"name"}
    with pytest.raises(Invalid):
        await publish(db, tenant_id, clock, code="summer_offer", language="en", body="Hello!")


@given(st.dictionaries(st.sampled_from(["name", "order"]), st.text(max_size=50), min_size=2))
def test_values_are_text_and_stay_text(values: dict[str, str]) -> None:
    key = TemplateKey("c", "en", Channel.EMAIL)
    declared = frozenset({"name", "order"})
    text = check_template(Template(key, 1, "S {order}", "{{{name}}} {order}", declared))
    shown = render(text, values)
    assert shown.subject.isprintable()
    assert shown.body.startswith("{")
    plain = values["name"].replace("\r\n", "\n").replace("\u00a0", " ").replace("\u202f", " ")
    kept = "".join(c for c in plain if c == "\n" or c.isprintable())
    assert shown.body.startswith("{" + kept + "} ")


@pytest.mark.parametrize(
    "values", [{}, {"name": "a", "order": "b", "more": "c"}, {"name": "x" * 2001, "order": ""}]
)
def test_values_that_do_not_fit_are_refused(values: dict[str, str]) -> None:
    text = Template(TemplateKey("c", "en", Channel.SMS), 1, "", "{name}", frozenset({"name", "order"}))
    with pytest.raises(Invalid):
        render(text, values)
