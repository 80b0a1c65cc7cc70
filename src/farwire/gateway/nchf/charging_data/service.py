"""What is used and by whom, as a charging data request describes it: kind, destination, visited network, identities.

Source: TS 32.255 (PDU sessions), 32.274 (SMS), 32.260 (IMS), 29.571 §5.3.2 (Supi, Gpsi).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from farwire.charging.model import Service
from farwire.charging.service import Identity, IdentityKind
from farwire.country.model import EMERGENCY
from farwire.gateway.identities import number_in
from farwire.gateway.nchf.charging_data.documents import ChargingDataRequest, Plmn
from farwire.gateway.nchf.profiles import Consumer

_FUNCTIONS: Final = {
    "SMF": "data", "PGW_C_SMF": "data", "I_SMF": "data", "V_SMF": "data", "SGW": "data", "SGSN": "data",
    "ePDG": "data", "UPF": "data", "SMSF": "message", "SMS": "message", "IMS_Node": "voice", "NEF": "event",
    "NEFF": "event", "AMF": "event",
}  # fmt: skip
"""What a network function charges, where its request does not say it."""
_KINDS: Final = {"imsi": IdentityKind.IMSI, "nai": IdentityKind.NAI, "msisdn": IdentityKind.MSISDN}
_PLMN: Final = re.compile(r"[0-9]{5,6}")
_IMS_PLMN: Final = re.compile(r".*mnc([0-9]{3})\.mcc([0-9]{3})\..*", re.IGNORECASE)
_IDENTITIES_MOST: Final = 8
_IDENTITY_MOST: Final = 255


def kind_of(document: ChargingDataRequest) -> str:
    """Return the kind of usage: by what the request describes, else by who asks; empty where neither says it."""
    if document.sms is not None:
        return "message"
    if document.ims is not None:
        return "voice"
    if document.pdu is not None:
        return "data"
    function = document.nf_consumer_identification
    return _FUNCTIONS.get(function.node_functionality, "") if function is not None else ""


def service_of(kind: str, document: ChargingDataRequest, consumer: Consumer) -> Service:
    """Return what a price depends on."""
    direction, destination = "originating", ""
    visited = _visited(document)
    if document.ims is not None:
        ims = document.ims
        destination = EMERGENCY if ims.ims_emergency_indication else number_in(ims.called_party_address)
        direction = "terminating" if ims.role_of_node == "TERMINATING" else direction
    elif document.sms is not None and document.sms.recipient_info:
        first = document.sms.recipient_info[0]
        other = first.other.data if first.other is not None else ""
        destination = number_in(first.gpsi.removeprefix("msisdn-") or other)
    if visited in consumer.home_networks or not _PLMN.fullmatch(visited):
        visited = ""
    return Service(kind, destination, direction, visited)


def _visited(document: ChargingDataRequest) -> str:
    if document.ims is not None:
        found = _IMS_PLMN.fullmatch(document.ims.ims_visited_network_identifier)
        if found is not None:  # the name of a network writes a MNC of two digits with a zero before it
            return found[2] + (found[1][1:] if found[1][0] == "0" else found[1])
    session = document.pdu.session if document.pdu is not None else None
    if session is None:
        return ""
    if session.serving_plmn is not None:
        return _digits(session.serving_plmn)
    serving = session.serving
    function = serving.serving_network_function_information if serving is not None else None
    return _digits(function.plmn) if function is not None and function.plmn is not None else ""


def _digits(plmn: Plmn) -> str:
    return plmn.mcc + plmn.mnc


def identities_of(document: ChargingDataRequest) -> tuple[Identity, ...]:
    """Return who it is, in the order in which it is looked for."""
    return named(_names(document))


def named(names: Iterable[str]) -> tuple[Identity, ...]:
    """Return the identities that Supi and Gpsi spell; what is neither is passed over."""
    found: dict[Identity, None] = {}
    for name in names:
        prefix, dash, value = name.partition("-")
        kind = _KINDS.get(prefix) if dash else None
        if kind is None or not value or len(value) > _IDENTITY_MOST or not value.isprintable():
            continue
        found[Identity(kind, number_in(value) or value if kind == IdentityKind.MSISDN else value)] = None
    return tuple(islice(found, _IDENTITIES_MOST))


def _names(document: ChargingDataRequest) -> Iterator[str]:
    yield document.subscriber_identifier
    if document.pdu is not None and document.pdu.user is not None:
        yield document.pdu.user.gpsi
    if document.ims is not None and document.ims.user_information is not None:
        yield document.ims.user_information.gpsi
    if document.sms is not None and document.sms.originator_info is not None:
        yield document.sms.originator_info.supi
        yield document.sms.originator_info.gpsi
