"""The life of a connection, played without a network; the profiles that say who may connect."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from farwire.gateway.diameter.certificates import is_named, names_of
from farwire.gateway.diameter.codec import Avps, Header, Message, decode, encode, number_of, text_of
from farwire.gateway.diameter.dictionary import Result, key_of
from farwire.gateway.diameter.peer import (
    FAREWELL_MS,
    Close,
    Connection,
    Hand,
    Send,
    State,
    accepted,
    leave,
    receive,
    tick,
)
from farwire.gateway.diameter.profiles import Node, Peer, peer_of, read_profiles
from farwire.kernel.errors import Invalid

NODE = Node("ocs.example", "example", (Peer("*.test.realm", "acme", addresses=("10.0.0.0/8", "::1/128")),))
RESULT, HOST, REALM, AUTH = (
    key_of(name) for name in ("Result-Code", "Origin-Host", "Origin-Realm", "Auth-Application-Id")
)
CER: Avps = {HOST: ["pgw.test.realm"], REALM: ["test.realm"], AUTH: [4]}


def request(command: int, avps: Avps | None = None, *, application: int = 0) -> Message:
    return Message(Header(0x80, command, application, 7, 8), avps or CER)


def fresh(address: str = "10.1.2.3") -> Connection:
    return accepted(NODE, address=address, local="10.0.0.1", tls=False, now=0, first_id=100)


def opened() -> Connection:
    return receive(NODE, fresh(), request(257), 0)[0]


def sent(actions: tuple[object, ...]) -> Message:
    (message,) = [one.message for one in actions if isinstance(one, Send)]
    assert decode(encode(message)) == message
    return message


def test_a_peer_that_is_known_is_told_what_we_speak() -> None:
    after, actions = receive(NODE, fresh(), request(257), 0)
    cea = sent(actions).avps
    assert (after.state, after.host) == (State.OPEN, "pgw.test.realm")
    assert after.profile == NODE.peers[0]
    assert number_of(cea, RESULT) == 2001
    assert cea[key_of("Supported-Vendor-Id")] == [10415]
    assert (cea[AUTH], cea[key_of("Acct-Application-Id")]) == ([4], [3])
    assert cea[key_of("Vendor-Specific-Application-Id")] == [
        {key_of("Vendor-Id"): [10415], AUTH: [application]} for application in (4, 16_777_302)
    ]
    assert cea[key_of("Host-IP-Address")] == [b"\0\1\x0a\0\0\1"]


@pytest.mark.parametrize(
    ("avps", "address", "result"),
    [
        (CER, "192.0.2.1", Result.UNKNOWN_PEER),
        ({**CER, HOST: ["pgw.other.realm"]}, "10.1.2.3", Result.UNKNOWN_PEER),
        ({**CER, AUTH: [16777238]}, "10.1.2.3", Result.NO_COMMON_APPLICATION),
        ({**CER, key_of("Inband-Security-Id"): [1]}, "10.1.2.3", Result.NO_COMMON_SECURITY),
        ({REALM: ["test.realm"], AUTH: [4]}, "10.1.2.3", Result.MISSING_AVP),
        ({HOST: ["pgw.test.realm"], AUTH: [4]}, "10.1.2.3", Result.MISSING_AVP),
    ],
)
def test_a_peer_that_does_not_fit_is_told_why_and_left(avps: Avps, address: str, result: Result) -> None:
    after, actions = receive(NODE, fresh(address), request(257, avps), 0)
    assert number_of(sent(actions).avps, RESULT) == result
    assert after.state == State.CLOSED
    assert isinstance(actions[-1], Close)


def test_nothing_is_answered_before_the_greeting() -> None:
    after, actions = receive(NODE, fresh(), request(272, application=4), 0)
    assert (after.state, len(actions)) == (State.CLOSED, 1)
    assert tick(NODE, fresh(), 10_000)[0].state == State.CLOSED


def test_a_relay_and_an_application_below_a_vendor_are_common_ground() -> None:
    vendor = {key_of("Vendor-Specific-Application-Id"): [{key_of("Vendor-Id"): [10415], AUTH: [4]}]}
    for way in ({AUTH: [0xFFFFFFFF]}, vendor):
        avps: Avps = {HOST: ["x.test.realm"], REALM: ["test.realm"], **way}
        assert receive(NODE, fresh(), request(257, avps), 0)[0].state == State.OPEN


def test_a_silent_peer_is_asked_twice_the_watchdog_and_then_left() -> None:
    tw = NODE.watchdog_s * 1_000
    asked, actions = tick(NODE, opened(), tw)
    dwr = sent(actions)
    assert (dwr.header.command, dwr.header.flags, dwr.header.hop_by_hop) == (280, 0x80, 100)
    suspect, nothing = tick(NODE, asked, 2 * tw)
    assert (suspect.state, nothing) == (State.SUSPECT, ())
    assert tick(NODE, suspect, 3 * tw)[0].state == State.CLOSED
    dwa = Message(Header(0, 280, 0, 100, 100), {})
    back, _ = receive(NODE, suspect, dwa, 2 * tw + 1)
    assert (back.state, back.watched) == (State.OPEN, False)


def test_a_goodbye_is_said_once_and_requests_go_elsewhere_from_then_on() -> None:
    closing, actions = leave(NODE, opened(), 5)
    assert text_of(sent(actions).avps, HOST) == "ocs.example"
    assert leave(NODE, closing, 6) == (closing, ())
    busy = sent(receive(NODE, closing, request(272, application=4), 7)[1])
    assert number_of(busy.avps, RESULT) == Result.TOO_BUSY
    assert busy.header.flags & 0x20, "the E bit of a protocol error"
    assert receive(NODE, closing, Message(Header(0, 282, 0, 100, 100), {}), 8)[0].state == State.CLOSED
    assert tick(NODE, closing, 5 + FAREWELL_MS)[0].state == State.CLOSED
    theirs, actions = receive(NODE, opened(), request(282), 0)
    assert (theirs.state, number_of(sent(actions).avps, RESULT)) == (State.CLOSING, 2001)


class Life(RuleBasedStateMachine):
    """Whatever comes in whatever order: nothing raises, nothing is handed on unless the peer has been greeted."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.connection = fresh()
        self.greeted = False

    def _take(self, step: tuple[Connection, tuple[object, ...]]) -> None:
        before, (self.connection, actions) = self.connection, step
        self.greeted = self.greeted or self.connection.state == State.OPEN
        for action in actions:
            if isinstance(action, Send):
                assert decode(encode(action.message)) == action.message
            assert not isinstance(action, Hand) or (self.greeted and before.state != State.CLOSING)

    @rule(
        command=st.sampled_from([257, 272, 280, 282, 999]),
        flags=st.sampled_from([0, 0x80]),
        known=st.booleans(),
    )
    def message(self, command: int, flags: int, known: bool) -> None:
        if self.connection.state != State.CLOSED:
            avps = CER if known else {}
            self._take(
                receive(NODE, self.connection, Message(Header(flags, command, 0, 1, 1), avps), self.now)
            )

    @rule(ms=st.integers(0, 40_000))
    def time(self, ms: int) -> None:
        self.now += ms
        self._take(tick(NODE, self.connection, self.now))

    @rule()
    def goodbye(self) -> None:
        self._take(leave(NODE, self.connection, self.now))

    @invariant()
    def something_is_always_due(self) -> None:
        assert self.connection.due_at <= self.now + max(NODE.watchdog_s, NODE.greeting_s) * 1_000


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)


def test_the_first_profile_that_fits_is_taken() -> None:
    first, second = Peer("PGW.test.realm", "a", realm="test.realm", tls=True), Peer("*.test.realm", "b")
    node = Node("ocs.example", "example", (first, second))
    found = [
        peer_of(node, host="pgw.Test.realm", realm="test.realm", address="192.0.2.1", tls=tls)
        for tls in (True, False)
    ]
    assert found == [first, second]
    assert peer_of(node, host="test.realm", realm="", address="192.0.2.1", tls=True) is None
    assert peer_of(NODE, host="x.test.realm", realm="", address="::ffff:10.9.9.9", tls=False) == NODE.peers[0]
    assert peer_of(NODE, host="x.test.realm", realm="", address="fe80::1%eth0", tls=False) is None


ANYBODY = 'identity = "ocs.example"\nrealm = "example"\n[[peers]]\nhost = "*.test.realm"\ntenant = "acme"\n'
GOOD = ANYBODY + 'addresses = ["10.0.0.0/8"]\n'


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("identity", None),
        (GOOD.replace('realm = "example"', "realm = 5"), "realm"),
        (GOOD + "colour = 1\n", "peers[0]"),
        (ANYBODY + 'addresses = ["10.0.0.1/8"]\n', "peers[0].addresses[0]"),
        (GOOD + "pending = 0\n", "peers[0].pending"),
        (GOOD + 'contexts = { "x" = "fax" }\n', "peers[0].contexts[...]"),
        (ANYBODY.replace("*.test.realm", "*"), "peers[0].addresses"),
        (ANYBODY, "peers[0].addresses"),
        (ANYBODY + "tls = true\n", "peers[0].addresses"),
        ("watchdog_s = 1\n" + GOOD, "watchdog_s"),
        ('listen = ["localhost:3868"]\n' + GOOD, "listen[0]"),
        ('listen_tls = ["[::]:5658"]\n' + GOOD, "certificate"),
        ('identity2 = ""\n' + GOOD, None),
        (GOOD.replace("ocs.example", "*"), "identity"),
    ],
)
def test_a_wrong_profile_is_refused_with_the_path_of_its_field(text: str, path: str | None) -> None:
    assert read_profiles(GOOD).peers[0].failure_handling == "terminate"
    assert read_profiles('authorities = "ca.pem"\n' + ANYBODY + "tls = true\n").peers[0].tls
    with pytest.raises(Invalid) as caught:
        read_profiles(text)
    assert (caught.value.code, caught.value.field) == ("diameter.profiles", path)


@pytest.mark.parametrize(
    ("certificate", "names", "is_pgw"),
    [
        (None, None, False),
        ({}, None, False),
        ({"subject": ((("commonName", "PGW.test.realm"),),)}, ("PGW.test.realm",), True),
        (
            {
                "subject": ((("commonName", "pgw.test.realm"),),),
                "subjectAltName": (("DNS", "other.test.realm"),),
            },
            ("other.test.realm",),
            False,
        ),
        ({"subjectAltName": (("DNS", "*.test.realm"), ("IP Address", "10.0.0.1"))}, ("*.test.realm",), True),
        ({"subjectAltName": (("DNS", "*.realm"), ("DNS", "test.realm"))}, ("*.realm", "test.realm"), False),
        ({"subject": ((("countryName", "DE"),),)}, (), False),
    ],
)
def test_a_peer_is_who_its_certificate_says(
    certificate: dict[str, object] | None, names: tuple[str, ...] | None, is_pgw: bool
) -> None:
    assert names_of(certificate) == names
    assert is_named(names or (), "pgw.test.realm") is is_pgw
