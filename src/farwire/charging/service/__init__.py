"""The control plane of online charging. Import its public functions from here."""

from farwire.charging.model.accounts import ChargingAccount, Identity, IdentityKind
from farwire.charging.service.accounts import (
    account_numbered,
    accounts_not_live,
    erase_identities,
    find_account,
    identities_of,
    list_accounts,
    open_account,
    request_key,
    set_live,
)
from farwire.charging.service.client import (
    Address,
    Client,
    InProcessClient,
    SocketClient,
    shard_address,
)
from farwire.charging.service.commands import command, inspect, make_live, person_commands
from farwire.charging.service.explaining import Refusal, check_done, main_balance, refusals, words
from farwire.charging.service.tariffs import LiveTariffs, load_all, load_tariffs
from farwire.charging.service.tenants import tenant_number, tenants_by_number
from farwire.charging.service.terms import (
    Terms,
    get_offer_terms,
    get_plan_terms,
    list_offer_terms,
    list_plan_terms,
    offer_number,
    offering_of_offer,
    offering_of_plan,
    plan_number,
    set_offer_terms,
    set_plan_terms,
)

__all__ = [
    "Address",
    "ChargingAccount",
    "Client",
    "Identity",
    "IdentityKind",
    "InProcessClient",
    "LiveTariffs",
    "Refusal",
    "SocketClient",
    "Terms",
    "account_numbered",
    "accounts_not_live",
    "check_done",
    "command",
    "erase_identities",
    "find_account",
    "get_offer_terms",
    "get_plan_terms",
    "identities_of",
    "inspect",
    "list_accounts",
    "list_offer_terms",
    "list_plan_terms",
    "load_all",
    "load_tariffs",
    "main_balance",
    "make_live",
    "offer_number",
    "offering_of_offer",
    "offering_of_plan",
    "open_account",
    "person_commands",
    "plan_number",
    "refusals",
    "request_key",
    "set_live",
    "set_offer_terms",
    "set_plan_terms",
    "shard_address",
    "tenant_number",
    "tenants_by_number",
    "words",
]
