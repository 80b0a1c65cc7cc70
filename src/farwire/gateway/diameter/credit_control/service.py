"""What is used and by whom, as a CCR describes it: kind, destination, direction, visited network, identities.

Source: TS 32.299 §7.1.12 (Service-Context-Id), §7.2; TS 32.251, 32.260, 32.270, 32.274, 32.275, 32.276.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final

from farwire.charging.model import Service
from farwire.charging.service import Identity, IdentityKind
from farwire.gateway.diameter.codec import Avps, group_of, groups_of, number_of, text_of
from farwire.gateway.diameter.dictionary import key_of
from farwire.gateway.diameter.profiles import Peer, ServiceKind
from farwire.gateway.identities import number_in

CONTEXTS: Final[Mapping[str, ServiceKind]] = {
    "32251@3gpp.org": "data",
    "32260@3gpp.org": "voice",
    "32275@3gpp.org": "voice",
    "32276@3gpp.org": "voice",
    "32270@3gpp.org": "message",
    "32274@3gpp.org": "message",
}
"""The ends of the Service-Context-Ids of 3GPP, whatever release and extension stand before them."""
_SUBSCRIPTION: Final = key_of("Subscription-Id")
_SUBSCRIPTION_TYPE: Final = key_of("Subscription-Id-Type")
_SUBSCRIPTION_DATA: Final = key_of("Subscription-Id-Data")
_USER_NAME: Final = key_of("User-Name")
_INFORMATION: Final = key_of("Service-Information")
_PS: Final = key_of("PS-Information")
_IMS: Final = key_of("IMS-Information")
_SMS: Final = key_of("SMS-Information")
_CALLED: Final = key_of("Called-Party-Address")
_ROLE: Final = key_of("Role-Of-Node")
_TERMINATING: Final = 1
_SGSN_PLMN: Final = key_of("3GPP-SGSN-MCC-MNC")
_RECIPIENT: Final = key_of("Recipient-Info")
_RECIPIENT_ADDRESS: Final = key_of("Recipient-Address")
_ADDRESS_DATA: Final = key_of("Address-Data")
_E164, _IMSI, _SIP, _NAI, _PRIVATE = range(5)
_PLMN: Final = re.compile(r"[0-9]{5,6}")
_IDENTITIES_MOST: Final = 8
_IDENTITY_MOST: Final = 255


def kind_of(context: str, own: Mapping[str, ServiceKind]) -> ServiceKind | None:
    """Return the kind of usage of a Service-Context-Id, or None where nobody has said it; ``own``: the peer's."""
    for contexts in (own, CONTEXTS):
        for end, kind in contexts.items():
            if (
                context == end
                or context.endswith("." + end)
                or (end.startswith("@") and context.endswith(end))
            ):
                return kind
    return None


def service_of(kind: str, avps: Avps, peer: Peer) -> Service:
    """Return what a price depends on."""
    information = group_of(avps, _INFORMATION)
    visited = text_of(group_of(information, _PS), _SGSN_PLMN) or text_of(avps, _SGSN_PLMN) or ""
    if visited in peer.home_networks or not _PLMN.fullmatch(visited):
        visited = ""
    direction, destination = "originating", ""
    if kind == "voice":
        ims = group_of(information, _IMS)
        destination = number_in(text_of(ims, _CALLED) or "")
        direction = "terminating" if number_of(ims, _ROLE) == _TERMINATING else direction
    elif kind == "message":
        recipient = group_of(group_of(group_of(information, _SMS), _RECIPIENT), _RECIPIENT_ADDRESS)
        destination = number_in(text_of(recipient, _ADDRESS_DATA) or "")
    return Service(kind, destination, direction, visited)


def identities_of(avps: Avps) -> tuple[Identity, ...]:
    """Return who it is, in the order in which it is looked for: as the message names them, then by User-Name."""
    found: dict[Identity, None] = {}
    for place in (avps, group_of(avps, _INFORMATION)):
        for one in groups_of(place, _SUBSCRIPTION):
            value = text_of(one, _SUBSCRIPTION_DATA)
            if value:
                found.update(dict.fromkeys(_named(number_of(one, _SUBSCRIPTION_TYPE), value)))
    name = text_of(avps, _USER_NAME)
    if name and not found:
        found.update(dict.fromkeys(_named(_SIP if name.lower().startswith("sip") else _NAI, name)))
    fit = (one for one in found if len(one.value) <= _IDENTITY_MOST and one.value.isprintable())
    return tuple(islice(fit, _IDENTITIES_MOST))


def _named(type_: int | None, value: str) -> Iterator[Identity]:
    if type_ == _E164:
        yield Identity(IdentityKind.MSISDN, number_in(value) or value)
    elif type_ == _IMSI:
        yield Identity(IdentityKind.IMSI, value)
    elif type_ == _SIP:
        yield Identity(IdentityKind.SIP, value)
        number = number_in(value)
        if number:
            yield Identity(IdentityKind.MSISDN, number)
    elif type_ == _NAI:
        yield Identity(IdentityKind.NAI, value)
    else:
        yield Identity(IdentityKind.NAME, value)
