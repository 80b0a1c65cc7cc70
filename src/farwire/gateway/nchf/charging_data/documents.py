"""ChargingDataRequest as far as it is read, and ChargingDataResponse.

Lenient in: unknown fields pass, and so do missing ones that charging can do without. Strict out.
Source: TS 32.291 §6.1.6.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final, TypeVar

import msgspec

from farwire.gateway.nchf.problems import (
    BAD_FORMAT,
    MANDATORY_INCORRECT,
    MANDATORY_MISSING,
    OPTIONAL_INCORRECT,
    Problem,
)

T = TypeVar("T")
_PATH: Final = re.compile(r" - at `\$(.*)`$")
_MISSING: Final = re.compile(r"missing required field `([^`]*)`")
_INDEX: Final = re.compile(r"\[(\d*|\.\.\.)\]")
_MANDATORY: Final = frozenset(
    {
        "nfConsumerIdentification", "nodeFunctionality", "invocationTimeStamp", "invocationSequenceNumber",
        "ratingGroup", "localSequenceNumber", "triggerCategory",
    }
)  # fmt: skip


class Plmn(msgspec.Struct, frozen=True):
    """A network."""

    mcc: str = ""
    mnc: str = ""


class Function(msgspec.Struct, frozen=True):
    """NFIdentification."""

    node_functionality: str = msgspec.field(name="nodeFunctionality", default="")
    name: str = msgspec.field(name="nFName", default="")
    ipv4: str = msgspec.field(name="nFIPv4Address", default="")
    ipv6: str = msgspec.field(name="nFIPv6Address", default="")
    fqdn: str = msgspec.field(name="nFFqdn", default="")
    plmn: Plmn | None = msgspec.field(name="nFPLMNID", default=None)


class Units(msgspec.Struct, frozen=True, rename="camel"):
    """RequestedUnit; what a container has used."""

    time: int | None = None
    total_volume: int | None = None
    uplink_volume: int | None = None
    downlink_volume: int | None = None
    service_specific_units: int | None = None


class Container(Units, frozen=True, rename="camel"):
    """UsedUnitContainer. With or without quota (``quotaManagementIndicator``), what is used is used."""

    quota_management_indicator: str = ""
    trigger_timestamp: datetime | None = None


class Usage(msgspec.Struct, frozen=True, rename="camel"):
    """MultipleUnitUsage."""

    rating_group: int
    requested_unit: Units | None = None
    used_unit_container: tuple[Container, ...] = ()
    upf: str = msgspec.field(name="uPFID", default="")


class User(msgspec.Struct, frozen=True):
    """UserInformation."""

    gpsi: str = msgspec.field(name="servedGPSI", default="")


class Serving(msgspec.Struct, frozen=True, rename="camel"):
    """ServingNetworkFunctionID."""

    serving_network_function_information: Function | None = None


class PduSession(msgspec.Struct, frozen=True):
    """PDUSessionInformation."""

    number: int | None = msgspec.field(name="pduSessionID", default=None)
    serving_plmn: Plmn | None = msgspec.field(name="servingCNPlmnId", default=None)
    serving: Serving | None = msgspec.field(name="servingNetworkFunctionID", default=None)


class PduSessionCharging(msgspec.Struct, frozen=True):
    """PDUSessionChargingInformation."""

    charging_id: int | None = msgspec.field(name="chargingId", default=None)
    smf_charging_id: str = msgspec.field(name="sMFchargingId", default="")
    user: User | None = msgspec.field(name="userInformation", default=None)
    session: PduSession | None = msgspec.field(name="pduSessionInformation", default=None)


class OtherAddress(msgspec.Struct, frozen=True):
    """SMAddressInfo."""

    data: str = msgspec.field(name="sMaddressData", default="")


class Recipient(msgspec.Struct, frozen=True):
    """RecipientInfo."""

    gpsi: str = msgspec.field(name="recipientGPSI", default="")
    other: OtherAddress | None = msgspec.field(name="recipientOtherAddress", default=None)


class Originator(msgspec.Struct, frozen=True):
    """OriginatorInfo."""

    supi: str = msgspec.field(name="originatorSUPI", default="")
    gpsi: str = msgspec.field(name="originatorGPSI", default="")


class SmsCharging(msgspec.Struct, frozen=True, rename="camel"):
    """SMSChargingInformation."""

    originator_info: Originator | None = None
    recipient_info: tuple[Recipient, ...] = ()


class ImsCharging(msgspec.Struct, frozen=True, rename="camel"):
    """IMSChargingInformation."""

    role_of_node: str = ""
    user_information: User | None = None
    called_party_address: str = ""
    ims_emergency_indication: bool = False
    ims_visited_network_identifier: str = ""
    ims_charging_identifier: str = ""


class ChargingDataRequest(msgspec.Struct, frozen=True, rename="camel"):
    """A request, as far as charging reads it."""

    invocation_time_stamp: datetime
    subscriber_identifier: str = ""
    charging_id: int | None = None
    nf_consumer_identification: Function | None = None
    invocation_sequence_number: int | None = None
    retransmission_indicator: bool = False
    one_time_event: bool = False
    one_time_event_type: str = ""
    notify_uri: str = ""
    service_specification_info: str = ""
    multiple_unit_usage: tuple[Usage, ...] = ()
    pdu: PduSessionCharging | None = msgspec.field(name="pDUSessionChargingInformation", default=None)
    sms: SmsCharging | None = msgspec.field(name="sMSChargingInformation", default=None)
    ims: ImsCharging | None = msgspec.field(name="iMSChargingInformation", default=None)


class Granted(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """GrantedUnit."""

    time: int | None = None
    total_volume: int | None = None
    service_specific_units: int | None = None


class RedirectServer(msgspec.Struct, frozen=True, rename="camel"):
    """RedirectServer."""

    redirect_address_type: str
    redirect_server_address: str


class FinalUnit(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """FinalUnitIndication."""

    final_unit_action: str
    filter_id_list: tuple[str, ...] = ()
    redirect_server: RedirectServer | None = None


class Trigger(msgspec.Struct, frozen=True, rename="camel"):
    """Trigger."""

    trigger_type: str
    trigger_category: str = "IMMEDIATE_REPORT"


class UnitInformation(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """MultipleUnitInformation."""

    result_code: str
    rating_group: int
    granted_unit: Granted | None = None
    validity_time: int | None = None
    quota_holding_time: int | None = None
    final_unit_indication: FinalUnit | None = None
    time_quota_threshold: int | None = None
    volume_quota_threshold: int | None = None
    unit_quota_threshold: int | None = None
    upf: str = msgspec.field(name="uPFID", default="")
    triggers: tuple[Trigger, ...] = ()


class InvocationResult(msgspec.Struct, frozen=True, rename="camel"):
    """InvocationResult: what becomes of the session while nobody answers."""

    failure_handling: str


class ChargingDataResponse(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """An answer."""

    invocation_time_stamp: datetime
    invocation_sequence_number: int
    invocation_result: InvocationResult | None = None
    session_failover: str = ""
    multiple_unit_information: tuple[UnitInformation, ...] = ()
    triggers: tuple[Trigger, ...] = ()


_DECODERS: Final[dict[type, msgspec.json.Decoder[object]]] = {}


def read_document(body: bytes, kind: type[T]) -> T:
    """Return the document in a body. Raises ``Problem`` (400) with a pointer to what is wrong."""
    decoder = _DECODERS.get(kind)
    if decoder is None:
        decoder = _DECODERS[kind] = msgspec.json.Decoder(kind)
    try:
        found = decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise Problem(BAD_FORMAT, f"the body is no JSON that can be read: {str(error)[:200]}") from None
    if not isinstance(found, kind):
        raise Problem(BAD_FORMAT, "the body is another document")
    return found


def _invalid(message: str) -> Problem:
    path = _PATH.search(message)
    pointer = _INDEX.sub(r"/\1", path[1]).replace(".", "/") if path else ""
    missing = _MISSING.search(message)
    text = _PATH.sub("", message)
    if missing is not None:
        name = missing[1]
        return Problem(MANDATORY_MISSING, text, parameter=f"{pointer}/{name}")
    last = pointer.rpartition("/")[2]
    return Problem(
        MANDATORY_INCORRECT if last in _MANDATORY else OPTIONAL_INCORRECT, text, parameter=pointer or "/"
    )
