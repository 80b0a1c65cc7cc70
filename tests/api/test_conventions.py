"""What our own routes have in common, so that who knows one knows all. Those under /tmf-api are the TM Forum's."""

from __future__ import annotations

import re
from typing import Any

import pytest

from farwire.app import api_routes
from farwire.base.authz import ROLE_PERMISSIONS, Permission
from farwire.base.web import AnyRoute, Method, openapi_document

V1 = "/farwire/v1/"
OURS = [route for route in api_routes() if route.path.startswith(V1)]
CAMEL = re.compile(r"[a-z]+([A-Z][a-z0-9]+)*")
ACTS = re.compile(
    "abort|activate|allocate|amend|approve|assign|block|cancel|close|decide|end|erase|hold|refuse|reject|release|rerun|retry|reverse"
    "|rollback|skip|terminate|unblock|withdraw"
)
# One document, or books that there is one of: no list of things.
SINGULAR = {"export", "ledger", "revenue", "trialBalance"}
# Calculated and not kept: there is nothing to be found afterwards.
PREVIEWS = {"activationPreviews", "billPreviews", "orderDecompositions", "orderPreviews", "priceImpacts"}
# What is told is a fact about the thing before it, and the answer is that thing; a month's closing may be asked again.
TOLD = {"terms", "receipts", "paymentNotices", "closings", "resources", "voucherRedemptions"}
# A closing commits step by step, so that one that was stopped goes on: it cannot share the transaction of a key.
# The wish to use a voucher has its key in the body: nothing of a code is kept with an answer.
# A command to charging has it there too: the shard keeps it, so that a crash between shard and database is harmless.
CHARGED = {"topUps", "adjustments", "transfers", "loans", "purchases", "renewals", "bars", "limitConsents"}
CHARGED |= {"autoRenewals", "spendLimits", "limitRemovals", "shares", "shareRemovals"}
NO_KEY = {"closings", "voucherRedemptions"} | CHARGED
# An amount per unit, or one that is exact below the cent.
EXACT = re.compile(r"(price|total|minimum|maximum|chargedBefore|remainder)Nano")


def names(route: AnyRoute) -> list[str]:
    """The words of a path without its parameters."""
    return [part for part in route.path.removeprefix(V1).split("/") if not part.startswith("{")]


def of(*methods: Method) -> list[Any]:
    return [pytest.param(r, id=f"{r.method} {r.path}") for r in OURS if r.method in methods]


@pytest.mark.parametrize("route", of(*Method))
def test_a_path_is_plural_nouns_in_camel_case_and_at_its_end_perhaps_an_act(route: AnyRoute) -> None:
    *before, last = names(route)
    assert all(CAMEL.fullmatch(name) for name in (*before, last))
    for name in before:
        assert name.endswith("s") or name in SINGULAR, name
    assert last.endswith("s") or last in SINGULAR or ACTS.fullmatch(last), last
    assert not ACTS.fullmatch(last) or route.method is Method.POST


@pytest.mark.parametrize("route", of(*Method))
def test_a_route_says_what_it_does(route: AnyRoute) -> None:
    assert re.fullmatch(r"[A-Z][^.]+", route.summary)
    assert route.description or route.handler.__doc__
    assert route.tag


@pytest.mark.parametrize("route", of(Method.POST))
def test_a_post_happens_once_and_says_whether_it_made_something(route: AnyRoute) -> None:
    last = names(route)[-1]
    assert route.idempotent is (last not in NO_KEY | PREVIEWS)
    # 202: the work goes on, or waits for another person
    expected = (
        {200, 202} if ACTS.fullmatch(last) else {200} if last in PREVIEWS | TOLD | CHARGED else {201, 202}
    )
    assert route.status in expected or (last, route.status) == ("amend", 201)
    assert "200" not in route.errors


@pytest.mark.parametrize("route", of(Method.POST))
def test_who_approves_is_not_who_asks(route: AnyRoute) -> None:
    assert isinstance(route.permission, Permission)
    if names(route)[-1] in {"approve", "reject"}:
        assert route.permission.endswith(".approve") or route.permission is Permission.LEDGER_CLOSE
    else:
        assert not route.permission.endswith(".approve")


def test_persons_are_shown_to_those_who_may_read_parties_only() -> None:
    for route in OURS:
        if names(route)[0] in {"parties", "moves"}:
            assert str(route.permission).startswith("party."), route.path
    for role, granted in ROLE_PERMISSIONS.items():
        if Permission.MESSAGE_READ in granted:  # addresses and texts
            assert Permission.PARTY_READ in granted, role


def test_attributes_are_camel_case_and_money_has_one_form() -> None:
    document = openapi_document(OURS)
    for title, schema in document["components"]["schemas"].items():
        for name, part in schema.get("properties", {}).items():
            assert re.fullmatch(r"@?[a-z]+[0-9]?([A-Z][a-z0-9]*)*", name), (title, name)
            assert not name.endswith(("Minor", "Cents")), (title, name)
            assert not name.endswith("Nano") or EXACT.fullmatch(name), (title, name)
            plain = part.get("format") == "decimal" and title != "MoneyDocument"
            assert not plain or name.endswith(("Rate", "Percent")), f"{title}.{name} has no currency"
