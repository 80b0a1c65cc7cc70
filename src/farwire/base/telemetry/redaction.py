"""Keep personal data and secrets out of logs, traces and the audit log.

Two nets: the names of fields that hold such data, and the look of values (e-mail and SIP addresses, long digit
strings such as telephone numbers, IMSI, ICCID, card numbers). A false positive costs a masked word; a false negative
is a breach. Whole numbers under a name that ends in a unit (``amount_nano``, ``volume_octets``) stay.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from pathlib import PurePath
from typing import Final
from uuid import UUID

REDACTED: Final = "[redacted]"
MASKED_DIGITS: Final = "[digits]"
MASKED_ADDRESS: Final = "[address]"
MAX_DEPTH: Final = 8
MAX_CHARACTERS: Final = 16_384
MAX_ERROR_CHARACTERS: Final = 500
MIN_DIGITS: Final = 8
"""The shortest digit string that is masked: E.164 numbers with their country code have 8 to 15 digits."""

_CREDENTIAL_WORDS: Final = """
    apikey apikeyhash authorization cookie credential credentials databaseurl dsn ki opc passphrase passwd password
    pin privatekey puk pwd secret setcookie token voucher vouchercode xapikey
"""
_PERSONAL_WORDS: Final = """
    address aparty anumber birthdate birthday bnumber bparty called callednumber callednumbers callee caller
    callerid calling callingnumber clientip contact customername dateofbirth destination destinationnumber dob email
    emailaddress familyname firstname fromnumber fullname givenname iban iccid identifier idnumber imei imsi
    ipaddress lastname mail middlename mobile msisdn nationalid passport phone phonenumber postaladdress postcode
    remoteaddr remoteip sip sipuri street subscribernumber surname tel telephone tonumber username vatid
"""
_SENSITIVE_ENDINGS: Final = (
    *("password", "secret", "token", "apikey", "privatekey"),
    *("msisdn", "imsi", "iccid", "email", "phone", "phonenumber", "surname", "birthdate"),
)
_COUNTED_ENDINGS: Final = (
    *("_nano", "_minor", "_octets", "_bytes", "_s", "_ms", "_us", "_ns", "_count", "_rows", "_total"),
    *("position", "sequence", "quantity"),
)
"""Names whose whole numbers count something. House style puts the unit last, so that the name says so."""
_SENSITIVE_NAMES: Final = frozenset(_CREDENTIAL_WORDS.split()) | frozenset(_PERSONAL_WORDS.split())
_OWN_IDS: Final = frozenset({"trace_id", "span_id"})
_OWN_ID: Final = re.compile(r"[0-9a-f]{16}(?:[0-9a-f]{16})?")

_UUID: Final = r"(?<![0-9A-Za-z])[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![0-9A-Za-z])"
_DATE: Final = (
    r"(?<![0-9A-Za-z+.(/-])(?:19|20)[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
    r"(?:[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6})?)?(?:Z|[+-][01][0-9]:[0-5][0-9])?)?"
    r"(?![0-9A-Za-z.(/-]|[ ][0-9(])"
)
_WORD: Final = r"[^\s@,;<>\"'()\[\]{}]{1,256}"
_AT: Final = rf"{_WORD}(?:@|%40){_WORD}"
_DIGITS: Final = rf"\d(?:[ .()/\u00a0\u2010-\u2015-]{{0,3}}\d){{{MIN_DIGITS - 1},}}"
_SUSPECT: Final = re.compile(f"(?P<keep>{_UUID}|{_DATE})|(?P<address>{_AT})|(?P<digits>{_DIGITS})")

_SUSPECT_DIGITS: Final = re.compile(f"(?P<keep>{_UUID}|{_DATE})|(?P<digits>{_DIGITS})")


def _replacement(match: re.Match[str]) -> str:
    if match.lastgroup == "keep":
        return match[0]
    return MASKED_ADDRESS if match.lastgroup == "address" else MASKED_DIGITS


def mask(text: str) -> str:
    """Return ``text`` with addresses and long digit strings masked. UUIDs and ISO 8601 times stay."""
    # Without an at sign nothing is an address, and the search for one is most of the work.
    suspect = _SUSPECT if "@" in text or "%40" in text else _SUSPECT_DIGITS
    return suspect.sub(_replacement, text)


def error_text(error: BaseException) -> str:
    """Return what went wrong as a row may keep it: masked, bounded, without what PostgreSQL's text cannot hold."""
    text = str(error)[:MAX_CHARACTERS].replace("\x00", "").encode(errors="replace").decode()
    return f"{type(error).__name__}: {mask(text)}"[:MAX_ERROR_CHARACTERS]


@lru_cache(maxsize=4096)
def is_sensitive(name: str) -> bool:
    """Return whether a field of this name holds a secret or personal data, in any spelling (``API-Key``)."""
    plain = "".join(character for character in name.casefold() if character.isalnum())
    return plain in _SENSITIVE_NAMES or plain.endswith(_SENSITIVE_ENDINGS)


def redact(value: object, *, name: str = "") -> object:
    """Return ``value`` as a thing that may be logged under ``name``.

    Containers are copied, at most ``MAX_DEPTH`` deep. Objects that are no plain values become ``<TypeName>``, because
    their text could show any of their fields.
    """
    return _redact(value, name, MAX_DEPTH)


def _redact(value: object, name: str, depth: int) -> object:
    if name and is_sensitive(name) and value is not None:
        return REDACTED
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int):
        return value if _counts(value, name) else MASKED_DIGITS
    if isinstance(value, Enum):
        return _redact(value.value, "", depth)
    if isinstance(value, str):
        return value if name in _OWN_IDS and _OWN_ID.fullmatch(value) else mask(value[:MAX_CHARACTERS])
    if isinstance(value, (UUID, date, datetime, timedelta)):
        return str(value)
    if isinstance(value, (Decimal, PurePath, BaseException)):
        return mask(str(value)[:MAX_CHARACTERS])
    return _redact_container(value, depth)


def _redact_container(value: object, depth: int) -> object:
    if depth == 0:
        return "…"
    if isinstance(value, Mapping):
        return {mask(str(key)): _redact(item, str(key), depth - 1) for key, item in value.items()}
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"<{len(value)} octets>"
    if isinstance(value, (Sequence, set, frozenset)):
        return [_redact(item, "", depth - 1) for item in value]
    return f"<{type(value).__name__}>"


def _counts(value: int, name: str) -> bool:
    return abs(value) < 10**9 or name.endswith(_COUNTED_ENDINGS)


def personal_data_in(value: object, *, path: str = "") -> str | None:
    """Return the path of the first field that holds personal data or a secret by its name or its look, or None.

    Stricter than ``mask`` on names, laxer on digits: a document number of many digits is no telephone number, so only
    those written as E.164 with a plus count.
    """
    if isinstance(value, Mapping):
        for key, item in value.items():
            here = f"{path}.{key}" if path else str(key)
            if is_sensitive(str(key)):
                return here
            found = personal_data_in(item, path=here)
            if found is not None:
                return found
    elif isinstance(value, str):
        return path if _ADDRESS_OR_E164.search(value) else None
    elif isinstance(value, Sequence):
        for number, item in enumerate(value):
            found = personal_data_in(item, path=f"{path}[{number}]")
            if found is not None:
                return found
    return None


_ADDRESS_OR_E164: Final = re.compile(rf"{_AT}|\+\d[\d ()./-]{{6,}}\d")
