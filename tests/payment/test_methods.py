"""Tokens are kept, card numbers are refused wherever they hide."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwire.kernel.errors import Invalid
from farwire.kernel.ids import AccountId, uuid7
from farwire.payment import service as payments
from farwire.payment.model import MethodKind, PaymentMethod, refuse_card_number

from .till import ANNA, EVERYTHING, Till


@pytest.mark.parametrize(
    "text",
    [
        "4242424242424242",
        "4242 4242 4242 4242",
        "5555-5555-5555-4444",
        "378282246310005",
        "paid with 4242.4242.4242.4242 yesterday",
        "6011000990139424!",
    ],
)
def test_a_card_number_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        refuse_card_number(text, field="token")
    assert refused.value.code == "payment.card_number"
    assert not any(digit in str(refused.value) for digit in "45678")


@pytest.mark.parametrize(
    "text",
    [
        "tok_1NzXyZ",
        "4242",
        "4242424242424241",
        "NL-2026-0000001",
        "counter-a4242424242424242f",
        "ca_4242424242424242ab",
        "DE89 3704 0044 0532 0130 00",
        "+49 40 1234567",
        "",
    ],
)
def test_what_is_no_card_number_passes(text: str) -> None:
    assert refuse_card_number(text, field="token") == text


@given(st.text(st.sampled_from("23456"), min_size=1, max_size=1), st.integers(11, 17), st.data())
def test_every_number_with_the_right_check_digit_is_refused(
    first: str, more: int, data: st.DataObject
) -> None:
    body = first + "".join(data.draw(st.sampled_from("0123456789")) for _ in range(more))
    total = 0
    for place, digit in enumerate(reversed(body)):
        value = int(digit) * (1 if place % 2 else 2)
        total += value - 9 if value > 9 else value
    with pytest.raises(Invalid):
        refuse_card_number(f"{body}{-total % 10}", field="token")


@pytest.mark.parametrize("wallet", ["2348031234561", "+2348031234561"])
def test_a_wallet_that_is_a_phone_number_is_no_card_number_whatever_its_check_digit(wallet: str) -> None:
    assert method(kind=MethodKind.MOBILE_MONEY, token=wallet).token == wallet
    with pytest.raises(Invalid):
        method(token=wallet)


@pytest.mark.parametrize(
    "token", ["4242424242424242", "4242 4242 4242 4242", "378282246310005", "30569309025904"]
)
def test_a_card_number_is_refused_as_a_wallet_too(token: str) -> None:
    with pytest.raises(Invalid) as refused:
        method(kind=MethodKind.MOBILE_MONEY, token=token)
    assert refused.value.code == "payment.card_number"


def method(**changes: object) -> PaymentMethod:
    facts: dict[str, object] = {
        "id": uuid7(),
        "account_id": AccountId(uuid7()),
        "kind": MethodKind.CARD,
        "token": "tok_1",
        "brand": "visa",
        "last4": "4242",
        "expires": date(2028, 6, 1),
        "preferred": True,
        "added_at": datetime(2026, 6, 1, tzinfo=UTC),
    }
    return PaymentMethod(**{**facts, **changes})  # type: ignore[arg-type]


def test_a_card_works_to_the_end_of_its_month() -> None:
    assert method().usable_on(date(2028, 6, 30))
    assert not method().usable_on(date(2028, 7, 1))
    assert method(expires=None).usable_on(date(2099, 1, 1))
    assert not method(removed_at=datetime(2026, 7, 1, tzinfo=UTC)).usable_on(date(2026, 7, 2))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"token": ""}, "payment.token"),
        ({"token": "4242424242424242"}, "payment.card_number"),
        ({"last4": "4242424242424242"}, "payment.card_number"),
        ({"last4": "42"}, "payment.last4"),
        ({"brand": "5555555555554444"}, "payment.card_number"),
    ],
)
def test_a_bad_method_is_refused(changes: dict[str, object], code: str) -> None:
    with pytest.raises(Invalid) as refused:
        method(**changes)
    assert refused.value.code == code


async def test_one_method_is_preferred_and_a_removed_one_forgets_its_token(till: Till) -> None:
    account = await till.account()
    given = {"account_id": account.id, "kind": MethodKind.CARD, "now": till.clock.now(), "actor": ANNA}
    async with till.db.transaction(till.tenant_id) as tx:
        first = await payments.add_method(tx, token="tok_1", last4="4242", **given)
        second = await payments.add_method(tx, token="tok_2", **given)
        again = await payments.add_method(tx, token="tok_1", last4="1111", preferred=False, **given)
        assert again.id == first.id
        page = await payments.list_methods(tx, page=EVERYTHING)
        assert [(one.id, one.preferred, one.last4) for one in page.items] == [
            (second.id, True, ""),
            (first.id, False, "1111"),
        ]
        for _ in range(2):
            removed = await payments.remove_method(tx, method_id=second.id, now=till.clock.now(), actor=ANNA)
        assert (removed.token, removed.usable_on(date(2026, 7, 1))) == ("removed", False)
        assert (await payments.list_methods(tx, page=EVERYTHING)).total == 1
