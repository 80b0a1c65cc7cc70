"""Use cases of parties."""

from __future__ import annotations

from farwire.party.model import kyc_required
from farwire.party.service.consent import consents_of, contactable, may_contact, record_consent
from farwire.party.service.kyc import (
    expire_kyc,
    kyc_checks,
    kyc_of,
    reject_kyc,
    submit_kyc,
    verify_kyc,
)
from farwire.party.service.parties import (
    add_parties,
    add_party,
    add_role,
    ancestors_of,
    check_postal,
    end_role,
    erase_party,
    get_parties,
    get_party,
    list_parties,
    lock_party,
    move_party,
    players_of,
    roles_of,
    roles_of_parties,
    set_parent,
    update_party,
)

__all__ = [
    "add_parties",
    "add_party",
    "add_role",
    "ancestors_of",
    "check_postal",
    "consents_of",
    "contactable",
    "end_role",
    "erase_party",
    "expire_kyc",
    "get_parties",
    "get_party",
    "kyc_checks",
    "kyc_of",
    "kyc_required",
    "list_parties",
    "lock_party",
    "may_contact",
    "move_party",
    "players_of",
    "record_consent",
    "reject_kyc",
    "roles_of",
    "roles_of_parties",
    "set_parent",
    "submit_kyc",
    "update_party",
    "verify_kyc",
]
