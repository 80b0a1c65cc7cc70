"""A CCR as charging understands it, and charging's answer as a CCA: pure, by tables."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farwire.charging import service as charging
from farwire.charging.model import Answer, Ask, EventKind, FinalAction, GroupAnswer, ResultCode, Unit
from farwire.charging.shard.frames import MOST, encode_request
from farwire.gateway.diameter.codec import Avps, Header, Message, Refusal, decode, encode, encode_avps
from farwire.gateway.diameter.credit_control.answers import event_answer, session_answer
from farwire.gateway.diameter.credit_control.requests import (
    CreditControl,
    event_requests,
    read_ccr,
    session_request,
)
from farwire.gateway.diameter.credit_control.service import kind_of
from farwire.gateway.diameter.credit_control.units import money_avps, read_money
from farwire.gateway.diameter.dictionary import AVPS, Kind, Result, key_of
from farwire.gateway.diameter.profiles import Peer
from farwire.gateway.diameter.results import CODES, KINDS, RESULTS, result_of, result_of_error
from farwire.gateway.identities import number_in
from farwire.kernel import errors
from tests.gateway.test_codec import RANGES
from tests.gateway.world import (
    GRANTED,
    OCTETS,
    RATING_GROUP,
    REQUESTED,
    RESULT,
    SECONDS,
    SERVICES,
    SUBSCRIPTION_DATA,
    SUBSCRIPTION_TYPE,
    USED,
    ccr,
    group,
)

PEER = Peer("*", "acme", home_networks=("26201",), contexts={"Comverse.DCI": "event"})
NOW = 1_780_000_000_000_000
INFORMATION, IMS = key_of("Service-Information"), key_of("IMS-Information")
CALLED, ROLE = key_of("Called-Party-Address"), key_of("Role-Of-Node")
MONEY, IDENTIFIER = key_of("CC-Money"), key_of("Service-Identifier")
VALIDITY, FINAL = key_of("Validity-Time"), key_of("Final-Unit-Indication")


def read(avps: Avps) -> CreditControl:
    return read_ccr(avps, PEER)


def money(digits: int, exponent: int | None = None, currency: int | None = None) -> Avps:
    value: Avps = {key_of("Value-Digits"): [digits]}
    if exponent is not None:
        value[key_of("Exponent")] = [exponent]
    found: Avps = {key_of("Unit-Value"): [value]}
    if currency is not None:
        found[key_of("Currency-Code")] = [currency]
    return found


# ---- what is asked


def test_each_rating_group_is_asked_for_with_what_it_used() -> None:
    found = session_request(
        read(ccr(2, 3, group(1, used=5, requested=0), group(2, used=7), group(3, requested=9))), 77
    )
    assert (found.account, found.number, found.phase) == (77, 3, 2)
    assert found.asks == (Ask(1, 5, 0), Ask(2, 7, -1), Ask(3, 0, 9))
    assert (found.session_hi, found.session_lo) == charging.request_key("pgw.test.realm;1;1")
    ending = session_request(read(ccr(3, 4, group(1, used=5, requested=0))), 77)
    assert ending.asks == (Ask(1, 5, -1),), "a termination asks for nothing"


def test_both_directions_and_every_report_of_a_group_are_added_up() -> None:
    one = {
        USED: [
            {key_of("CC-Input-Octets"): [3], key_of("CC-Output-Octets"): [4]},
            {OCTETS: [10], SECONDS: [60]},
        ]
    }
    assert session_request(read(ccr(2, 1, {**one, RATING_GROUP: [1]})), 1).asks == (Ask(1, 17, -1),)


def test_services_of_one_rating_group_share_its_quota() -> None:
    services = [{**group(1, used=5), IDENTIFIER: [100]}, {**group(1, used=6, requested=0), IDENTIFIER: [200]}]
    asked = read(ccr(2, 1, *services))
    assert session_request(asked, 1).asks == (Ask(1, 11, 0),)
    assert asked.quotas[0].echo == {RATING_GROUP: [1], IDENTIFIER: [200]}


def test_a_group_without_a_number_is_that_of_its_service_or_number_0() -> None:
    (bare,) = session_request(read(ccr(1, 0, {REQUESTED: [{}]})), 1).asks
    (served,) = session_request(read(ccr(1, 0, {REQUESTED: [{}], IDENTIFIER: [8]})), 1).asks
    assert (bare, served) == (Ask(0), Ask(8))


def test_units_in_the_message_itself_are_one_group_and_are_answered_there() -> None:
    asked = read(ccr(1, 0, Requested_Service_Unit=[{OCTETS: [100]}]))
    assert session_request(asked, 1).asks == (Ask(0, 0, 100),)
    given = Answer(2001, (GroupAnswer(0, 2001, Unit.OCTETS, 100, 0, NOW + 60_000_000, -1),))
    result, content = session_answer(asked, given, PEER, NOW)
    assert (result, content[GRANTED], content[VALIDITY]) == (2001, [{OCTETS: [100]}], [60])
    assert SERVICES not in content
    refused = Answer(2001, (GroupAnswer(0, 4012, Unit.OCTETS, 0, 0, NOW, 0),))
    assert session_answer(asked, refused, PEER, NOW)[0] == Result.CREDIT_LIMIT_REACHED


@pytest.mark.parametrize(
    ("changes", "result"),
    [
        ({"Session_Id": []}, Result.MISSING_AVP),
        ({"Service_Context_Id": []}, Result.MISSING_AVP),
        ({"CC_Request_Type": []}, Result.MISSING_AVP),
        ({"CC_Request_Number": []}, Result.MISSING_AVP),
        ({"CC_Request_Number": [1, 2]}, Result.AVP_OCCURS_TOO_MANY_TIMES),
        ({"CC_Request_Type": [7]}, Result.INVALID_AVP_VALUE),
        ({"CC_Request_Type": [4]}, Result.MISSING_AVP),
        ({"CC_Request_Type": [4], "Requested_Action": [9]}, Result.INVALID_AVP_VALUE),
        ({"Requested_Service_Unit": [{MONEY: [money(1, -10)]}]}, Result.INVALID_AVP_VALUE),
        ({"Requested_Service_Unit": [{MONEY: [money(-1)]}]}, Result.INVALID_AVP_VALUE),
        ({"Requested_Service_Unit": [{MONEY: [money(1, 2**30)]}]}, Result.INVALID_AVP_VALUE),
        ({"Requested_Service_Unit": [{MONEY: [money(1, 0, 999)]}]}, Result.INVALID_AVP_VALUE),
    ],
)
def test_what_names_a_charge_is_there_once_and_makes_sense(
    changes: dict[str, list[Any]], result: Result
) -> None:
    with pytest.raises(Refusal) as caught:
        read(ccr(1, 0, **changes))
    assert caught.value.result == result
    assert caught.value.failed


def test_usage_in_units_that_its_kind_is_not_counted_in_is_refused_not_lost() -> None:
    paid: Avps = {RATING_GROUP: [2], USED: [{MONEY: [money(5)]}]}
    for one in ({USED: [{SECONDS: [5]}]}, {REQUESTED: [{SECONDS: [5]}]}):
        with pytest.raises(Refusal) as caught:
            session_request(read(ccr(2, 1, one)), 1)
        assert caught.value.result == Result.INVALID_AVP_VALUE
    with pytest.raises(Refusal) as caught:
        session_request(read(ccr(2, 1, paid, group(1, used=5))), 1)
    assert caught.value.result == Result.INVALID_AVP_VALUE, "money and units in one message"
    assert session_request(read(ccr(2, 1, {USED: [{SECONDS: [0]}]})), 1).asks == (Ask(0, 0, -1),)


def test_a_session_that_names_money_only_uses_money_itself() -> None:
    euros: Avps = {USED: [{MONEY: [money(5, -1, 978)]}], REQUESTED: [{MONEY: [money(2)]}], RATING_GROUP: [3]}
    found = session_request(read(ccr(2, 1, euros, group(4))), 1, "EUR")
    assert (found.service.kind, found.asks) == (
        "money",
        (Ask(3, 500_000_000, 2_000_000_000), Ask(4, 0, -1)),
    )
    assert session_request(read(ccr(3, 1, euros)), 1, "EUR").asks == (Ask(3, 500_000_000, -1),)
    with pytest.raises(Refusal) as caught:
        session_request(read(ccr(2, 1, euros)), 1, "INR")
    assert caught.value.result == Result.INVALID_AVP_VALUE
    both: Avps = {USED: [{MONEY: [money(5)], OCTETS: [7]}]}
    assert session_request(read(ccr(2, 1, both)), 1).asks == (Ask(0, 7, -1),), "its own units count"


def test_sub_sessions_are_sessions_of_their_own() -> None:
    for type_, more in ((1, {}), (4, {"Requested_Action": [0]})):
        plain, first, second = (
            read(ccr(type_, 0, group(1, requested=5), CC_Sub_Session_Id=sub, **more))
            for sub in ([], [1], [2])
        )
        if type_ == 1:
            keys = {
                (one.session_hi, one.session_lo)
                for one in (session_request(one, 1) for one in (plain, first, second))
            }
        else:
            keys = {
                (one.key_hi, one.key_lo)
                for found in (plain, first, second)
                for one in event_requests(found, 1, "")
            }
        assert len(keys) == 3
        assert {one.session_id for one in (plain, first, second)} == {"pgw.test.realm;1;1"}


def test_what_happens_to_a_debit_without_us_is_told_with_every_event() -> None:
    handling = key_of("Direct-Debiting-Failure-Handling")
    for word, number in (("terminate_or_buffer", 0), ("continue", 1)):
        peer = Peer("*", "a", debit_failure_handling=word)  # type: ignore[arg-type]
        asked = read(ccr(4, 0, Requested_Action=[0]))
        content = event_answer(asked, (), (), peer, "EUR")[1]
        assert content[handling] == [number]
    for word, number in (("terminate", 0), ("continue", 1), ("retry_and_terminate", 2)):
        peer = Peer("*", "a", failure_handling=word, failover=False)  # type: ignore[arg-type]
        content = session_answer(read(ccr(1, 0)), Answer(2001), peer, NOW)[1]
        assert content[key_of("Credit-Control-Failure-Handling")] == [number]
        assert content[key_of("CC-Session-Failover")] == [0]


def test_requested_action_counts_in_events_only() -> None:
    assert read(ccr(1, 0, Requested_Action=[0])).action == -1
    assert read(ccr(4, 0, Requested_Action=[0])).action == EventKind.DIRECT_DEBIT


# ---- who and what it is


@pytest.mark.parametrize(
    ("type_", "data", "expected"),
    [
        (0, "+491711", [("msisdn", "491711")]),
        (1, "262011234567890", [("imsi", "262011234567890")]),
        (2, "sip:491711@test.realm", [("sip", "sip:491711@test.realm"), ("msisdn", "491711")]),
        (2, "sip:anna@test.realm", [("sip", "sip:anna@test.realm")]),
        (3, "anna@test.realm", [("nai", "anna@test.realm")]),
        (4, "customer-7", [("name", "customer-7")]),
    ],
)
def test_a_subscription_id_is_an_identity_of_its_type(
    type_: int, data: str, expected: list[tuple[str, str]]
) -> None:
    one: Avps = {SUBSCRIPTION_TYPE: [type_], SUBSCRIPTION_DATA: [data]}
    within = ccr(1, 0, Subscription_Id=[], Service_Information=[{key_of("Subscription-Id"): [one]}])
    for avps in (ccr(1, 0, Subscription_Id=[one]), ccr(1, 0, Subscription_Id=[one, one]), within):
        assert [(found.kind.value, found.value) for found in read(avps).identities] == expected


def test_a_user_name_is_who_it_is_where_nothing_else_says_so() -> None:
    found = read(ccr(1, 0, Subscription_Id=[], User_Name=["sip:491711@x"])).identities
    assert [one.value for one in found] == ["sip:491711@x", "491711"]


@pytest.mark.parametrize(
    ("address", "number"),
    [
        ("sip:+49 (30) 123-456@test.realm;user=phone", "4930123456"),
        ("tel:+4930123456;cpc=ordinary", "4930123456"),
        ("4930123456", "4930123456"),
        ("sip:anna@test.realm", ""),
        ("urn:service:sos.police", "112"),
        ("", ""),
    ],
)
def test_a_number_is_found_in_an_address(address: str, number: str) -> None:
    assert number_in(address) == number


def test_a_call_has_a_destination_and_a_direction_and_data_a_network() -> None:
    ims: Avps = {CALLED: ["tel:+4930123456"], ROLE: [0]}
    voice = {"Service_Context_Id": ["ext.01.001.8.32260@3gpp.org"]}
    found = read(ccr(1, 0, **voice, Service_Information=[{IMS: [ims]}])).service
    assert (found.kind, found.destination, found.direction) == ("voice", "4930123456", "originating")
    found = read(ccr(1, 0, **voice, Service_Information=[{IMS: [{**ims, ROLE: [1]}]}])).service
    assert found.direction == "terminating"
    for plmn, visited in (("26201", ""), ("20801", "20801")):
        ps: Avps = {key_of("PS-Information"): [{key_of("3GPP-SGSN-MCC-MNC"): [plmn]}]}
        assert read(ccr(1, 0, Service_Information=[ps])).service.visited_network == visited
    address: Avps = {key_of("Recipient-Address"): [{key_of("Address-Data"): ["+4917"]}]}
    sms: Avps = {key_of("SMS-Information"): [{key_of("Recipient-Info"): [address]}]}
    found = read(ccr(1, 0, Service_Context_Id=["32274@3gpp.org"], Service_Information=[sms])).service
    assert (found.kind, found.destination) == ("message", "4917")


def test_the_kind_of_an_unknown_context_is_that_of_its_units() -> None:
    assert [kind_of(one, PEER.contexts) for one in ("Comverse.DCI", "x@32251@3gpp.org", "132251@3gpp.org")] == [
        "event", None, None
    ]  # fmt: skip
    for unit, kind in ((OCTETS, "data"), (SECONDS, "voice"), (key_of("CC-Service-Specific-Units"), "event")):
        assert read(ccr(1, 0, {USED: [{unit: [1]}]}, Service_Context_Id=["a@b"])).kind == kind
    assert read(ccr(1, 0, Service_Context_Id=["a@b"])).kind == "data"


# ---- what is answered


def answered(one: GroupAnswer, peer: Peer = PEER) -> tuple[int, Avps]:
    asked = read(ccr(1, 0, {**group(1, requested=0), IDENTIFIER: [7]}))
    result, content = session_answer(asked, Answer(2001, (one,)), peer, NOW)
    encode_avps(content)
    (services,) = content[SERVICES]
    assert isinstance(services, dict)
    assert (services[RATING_GROUP], services[IDENTIFIER]) == ([1], [7])
    return result, services


def a_quota(unit: int = Unit.OCTETS, granted: int = 100, final: int = -1, threshold: int = 20) -> GroupAnswer:
    return GroupAnswer(1, 2001, unit, granted, threshold, NOW + 300_900_000, final)


def test_a_quota_has_its_unit_its_validity_and_its_threshold() -> None:
    for unit, key, mark in (
        (Unit.OCTETS, OCTETS, "Volume-Quota-Threshold"),
        (Unit.SECONDS, SECONDS, "Time-Quota-Threshold"),
        (Unit.MESSAGES, key_of("CC-Service-Specific-Units"), "Unit-Quota-Threshold"),
    ):
        found = answered(a_quota(unit))[1]
        assert (found[GRANTED], found[VALIDITY], found[key_of(mark)]) == ([{key: [100]}], [300], [20])
        assert FINAL not in found
    late = GroupAnswer(1, 2001, Unit.OCTETS, 1, 0, NOW - 1, -1)
    assert answered(late)[1][VALIDITY] == [1]


def test_the_last_quota_says_what_comes_after_it() -> None:
    action, server = key_of("Final-Unit-Action"), key_of("Redirect-Server")
    assert answered(a_quota(final=FinalAction.TERMINATE))[1][FINAL] == [{action: [0]}]
    assert answered(a_quota(final=FinalAction.REDIRECT))[1][FINAL] == [{action: [0]}], "no URL is configured"
    peer = Peer("*", "acme", redirect="https://pay.example", filters=("shop",))
    (found,) = answered(a_quota(final=FinalAction.REDIRECT), peer)[1][FINAL]
    assert isinstance(found, dict)
    assert found[server] == [
        {key_of("Redirect-Address-Type"): [2], key_of("Redirect-Server-Address"): ["https://pay.example"]}
    ]
    assert answered(a_quota(final=FinalAction.RESTRICT), peer)[1][FINAL] == [
        {action: [2], key_of("Filter-Id"): ["shop"]}
    ]


def test_a_refused_group_has_its_own_result_and_lifts_it_where_a_peer_wants_that() -> None:
    empty = GroupAnswer(1, ResultCode.SPEND_LIMIT_REACHED, Unit.OCTETS, 0, 0, NOW, 0)
    result, found = answered(empty)
    assert (result, found[RESULT]) == (2001, [4012])
    assert not found.keys() & {GRANTED, VALIDITY, FINAL}
    assert answered(empty, Peer("*", "acme", refuse_whole=True))[0] == 4012


def test_a_session_is_told_at_its_beginning_what_becomes_of_it_without_us() -> None:
    failover, handling = key_of("CC-Session-Failover"), key_of("Credit-Control-Failure-Handling")
    content = session_answer(read(ccr(1, 0)), Answer(2001), Peer("*", "a", failure_handling="continue"), NOW)[
        1
    ]
    assert (content[failover], content[handling]) == ([1], [1])
    assert not session_answer(read(ccr(2, 1)), Answer(2001), PEER, NOW)[1].keys() & {failover, handling}


def test_an_event_is_debited_checked_or_priced() -> None:
    asked = read(ccr(4, 0, Requested_Action=[0], Requested_Service_Unit=[{MONEY: [money(250, -2, 978)]}]))
    (one,) = event_requests(asked, 5, "EUR")
    assert (one.account, one.kind, one.amount) == (5, EventKind.DIRECT_DEBIT, 2_500_000_000)
    result, content = event_answer(asked, (one,), (Answer(2001, (), 2_500_000_000),), PEER, "EUR")
    assert (result, content[GRANTED]) == (2001, [{MONEY: [money(25, -1, 978)]}])
    assert content[key_of("Cost-Information")] == [money(25, -1, 978)]
    with pytest.raises(Refusal):
        event_requests(asked, 5, "NGN")
    check = read(ccr(4, 0, Requested_Action=[2], Requested_Service_Unit=[{MONEY: [money(3)]}]))
    wanted = event_requests(check, 5, "EUR")
    for cost, enough in ((3_000_000_000, 0), (2_999_999_999, 1), (0, 1)):
        content = event_answer(check, wanted, (Answer(2001, (), cost),), PEER, "EUR")[1]
        assert content[key_of("Check-Balance-Result")] == [enough]


def test_each_group_of_an_event_has_a_key_that_a_repeat_has_again() -> None:
    units = key_of("CC-Service-Specific-Units")
    groups: list[Avps] = [{REQUESTED: [{units: [n]}], RATING_GROUP: [n]} for n in (1, 2)]
    asked = read(ccr(4, 0, *groups, Requested_Action=[0], Service_Context_Id=["32274@3gpp.org"]))
    first, second = event_requests(asked, 5, "EUR")
    assert (first, second) == event_requests(asked, 5, "EUR")
    assert (first.key_hi, first.key_lo) != (second.key_hi, second.key_lo)
    result, content = event_answer(asked, (first, second), (Answer(2001, (), 7), Answer(4012)), PEER, "EUR")
    assert (result, [one[RESULT] for one in content[SERVICES]]) == (2001, [[2001], [4012]])  # type: ignore[index,call-overload]


@given(st.integers(0, 2**62), st.sampled_from(["EUR", "JPY", "XXX"]))
@settings(max_examples=100, deadline=None)
def test_money_is_read_as_it_is_written(nano: int, currency: str) -> None:
    found = read_money(money_avps(nano, currency))
    assert (found.nano, found.currency) == (nano, currency if currency != "XXX" else "")


# ---- the one table


@pytest.mark.parametrize("code", ResultCode)
def test_every_result_of_charging_has_a_result_code(code: ResultCode) -> None:
    assert result_of(code) == RESULTS[code]
    assert (RESULTS[code] == code) or code in {
        ResultCode.SPEND_LIMIT_REACHED,
        ResultCode.OUT_OF_SEQUENCE,
    }, "values of RFC 8506 are their own"


def test_every_kind_of_error_has_a_result_code() -> None:
    kinds = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.FarwireError)
    }
    assert kinds - {errors.FarwireError} == set(KINDS)
    for kind, result in KINDS.items():
        assert result_of_error(kind("it is so")) == result
    for code, result in CODES.items():
        assert result_of_error(errors.Defect("it is so", code=code)) == result
    assert result_of_error(Refusal(Result.MISSING_AVP, "it is so")) == Result.MISSING_AVP
    assert result_of_error(errors.FarwireError("it is so")) == Result.UNABLE_TO_COMPLY
    assert result_of(1_234) == Result.UNABLE_TO_COMPLY


# ---- whatever a peer says


CCR_KEYS = [key_of(name) for name in (
    "Session-Id", "Service-Context-Id", "CC-Request-Type", "CC-Request-Number", "Requested-Action", "User-Name",
    "Subscription-Id", "Multiple-Services-Credit-Control", "Requested-Service-Unit", "Used-Service-Unit",
    "Service-Information", "Rating-Group", "Service-Identifier", "CC-Money", "CC-Time", "CC-Total-Octets", "Unit-Value",
    "CC-Input-Octets", "CC-Output-Octets", "Value-Digits", "Exponent", "Currency-Code", "Subscription-Id-Data",
    "Subscription-Id-Type", "IMS-Information", "Called-Party-Address", "PS-Information", "3GPP-SGSN-MCC-MNC",
)]  # fmt: skip


def anything(children: st.SearchStrategy[Any] | None = None) -> st.SearchStrategy[Avps]:
    def values(key: int) -> st.SearchStrategy[list[Any]]:
        kind = Kind(AVPS[key].kind)
        if kind == Kind.GROUPED:
            return st.lists(children, min_size=1, max_size=2) if children is not None else st.just([{}])
        return st.lists(st.one_of(RANGES[kind], EDGES.get(kind, st.nothing())), min_size=1, max_size=2)

    entry = st.sampled_from(CCR_KEYS).flatmap(lambda key: st.tuples(st.just(key), values(key)))
    return st.lists(entry, max_size=6).map(dict)


EDGES = {
    Kind.TEXT: st.sampled_from(
        ["sip:49\0@x", "9" * 1_000, "+", "tel:", "urn:service:sos", "8.32260@3gpp.org"]
    ),
    Kind.UNSIGNED64: st.sampled_from([2**62, 2**64 - 1]),
    Kind.SIGNED32: st.integers(0, 5),
}


@given(st.recursive(anything(), anything, max_leaves=4), st.integers(1, 4), st.booleans())
@settings(max_examples=200, deadline=None)
def test_whatever_a_request_says_charging_can_be_asked_or_it_is_refused(
    avps: Avps, type_: int, whole: bool
) -> None:
    base = ccr(type_, 1, Requested_Action=[0]) if whole else {}
    try:
        asked = read_ccr({**base, **avps}, PEER)
        requests: list[Any] = (
            list(event_requests(asked, 7, "EUR")) if asked.type == 4 else [session_request(asked, 7)]
        )
    except Refusal:
        return
    for one in requests:
        assert len(encode_request(1, 1, one)) < MOST
    for identity in asked.identities:
        assert identity.value.isprintable()
        assert len(identity.value) <= 255
    given_ = [Answer(2001, tuple(GroupAnswer(ask.rating_group, 2001, 1, 5, 1, NOW, 0) for ask in one.asks), 3)
              if asked.type != 4 else Answer(2001, (), 3) for one in requests]  # fmt: skip
    content = (
        event_answer(asked, requests, given_, PEER, "EUR")[1]
        if asked.type == 4
        else session_answer(asked, given_[0], PEER, NOW)[1]
    )
    assert decode(encode(Message(Header(0, 272, 4, 1, 1), content))).avps == content


def test_more_groups_than_a_session_can_have_are_refused() -> None:
    for type_ in (1, 4):
        many = ccr(type_, 0, *(group(number, requested=0) for number in range(65)), Requested_Action=[0])
        with pytest.raises(Refusal) as caught:
            read(many)
        assert caught.value.result == Result.UNABLE_TO_COMPLY


@pytest.mark.parametrize("text", ["9" * 60_000, "49\0", "\0", "9" * 40])
def test_what_no_number_and_no_identity_can_be_reaches_neither_shard_nor_database(text: str) -> None:
    one: Avps = {SUBSCRIPTION_TYPE: [1], SUBSCRIPTION_DATA: [text * 10]}
    ps: Avps = {key_of("3GPP-SGSN-MCC-MNC"): [text]}
    for context in ("8.32251@3gpp.org", "8.32260@3gpp.org"):
        information: Avps = {IMS: [{CALLED: [text]}], key_of("PS-Information"): [ps]}
        asked = read(
            ccr(1, 0, Service_Context_Id=[context], Subscription_Id=[one], Service_Information=[information])
        )
        assert (asked.service.destination, asked.service.visited_network, asked.identities) == ("", "", ())
        assert len(encode_request(1, 1, session_request(asked, 7))) < 200


def test_sums_of_what_is_used_stay_within_bounds() -> None:
    most: Avps = {OCTETS: [2**64 - 1]}
    cash: Avps = {MONEY: [money(2**62, -9)]}
    with pytest.raises(Refusal):
        session_request(read(ccr(2, 1, {USED: [most, most]})), 7)
    with pytest.raises(Refusal):
        event_requests(read(ccr(4, 1, {USED: [cash, cash]}, Requested_Action=[0])), 7, "EUR")
