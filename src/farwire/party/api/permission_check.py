"""TMF672 checkPermission: may the caller, one of our keys, or a user of a permission that is kept here, do this.

# DEVIATES: TMF672 checkPermission is answered and not kept. A privilege for a group of assets grants nothing here:
# what is in the group is not known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from farwire.base.authz import ROLE_PERMISSIONS, Permission, Role
from farwire.base.storage import Tx
from farwire.base.tmf import Act, Behaviour, Document, Operation, Resource, Target, Wanted
from farwire.base.tmf.documents import load
from farwire.base.tmf.resource import SERVED
from farwire.base.tmf_work import equal_documents
from farwire.kernel.errors import Forbidden, Invalid
from farwire.kernel.ids import KeyId
from farwire.kernel.page import Page
from farwire.tenant import service as tenants
from farwire.tenant.model import ApiKey

PERMISSION: Final = Target("672", "Permission")
USER_ROLE: Final = Target("672", "UserRole")
MOST: Final = 1000
"""Permissions of one user that are looked at."""
_OPERATIONS: Final[Mapping[str, Operation]] = {
    "create": Operation.CREATE,
    "read": Operation.GET,
    "get": Operation.GET,
    "list": Operation.LIST,
    "update": Operation.PATCH,
    "patch": Operation.PATCH,
    "delete": Operation.DELETE,
}
_READS: Final = frozenset({Operation.GET, Operation.LIST})


class Denied(Forbidden):
    """Who is asked about may not do it."""

    default_code = "party.permission_denied"


async def check_permission(tx: Tx, document: Document, act: Act) -> Document:
    """Return the request where it is granted. Raises ``Denied`` (403), ``Invalid`` (``party.entitlement``)."""
    asked = document["entitlement"]
    function, action = _word(asked, "function"), _word(asked, "action")
    who = document.get("partyRole") or document.get("user")
    if who is None:
        granted = act.principal is not None and _role_may(act.principal.role, function, action)
    else:
        granted = await _may(tx, str(who.get("id")), document, function, action, act.now)
    if granted:
        return document
    raise Denied(
        f"{asked['action']} of {asked['function']} is not granted",
        field="$.entitlement",
        value=f"{asked['function']}.{asked['action']}",
    )


def _word(asked: Mapping[str, Any], name: str) -> str:
    word = asked.get(name)
    if isinstance(word, str) and word:
        return word.lower()
    fix = 'name both: {"function": "ProductOffering", "action": "Create"}'
    raise Invalid(f"{name} is missing", code="party.entitlement", field=f"$.entitlement.{name}", fix=fix)


def _role_may(role: Role, function: str, action: str) -> bool:
    """Return whether a role may do it: with a resource of the Open APIs, or by the name of a permission of ours."""
    needed = {permission.value: permission for permission in Permission}.get(f"{function}.{action}")
    if needed is not None:
        return needed in ROLE_PERMISSIONS[role]
    operation = _OPERATIONS.get(action)
    return any(
        (one.read if operation in _READS else one.write) in ROLE_PERMISSIONS[role]
        for one in _named(function)
        if operation in one.descriptor.operations
    )


def _named(function: str) -> Iterator[Resource]:
    for _, one in SERVED.all():
        if function in (one.descriptor.type.lower(), one.descriptor.v4_type.lower()):
            yield one


async def _may(tx: Tx, user: str, document: Document, function: str, action: str, now: datetime) -> bool:
    """Return whether one of our keys may, by its role, or another user by a permission that is valid now."""
    key = await _key(tx, user)
    if key is not None:
        return key.usable_at(now) and _role_may(key.role, function, action)
    kept = await equal_documents(tx, PERMISSION, {"user.partyOrPartyRole.id": user}, MOST)
    entity = _id(document.get("entity"))
    for one in kept:
        if not _valid(one, now):
            continue
        rights = [*(one.get("privilege") or []), *await _of_roles(tx, one)]
        if any(_grants(right, entity, function, action) for right in rights):
            return True
    return False


async def _key(tx: Tx, user: str) -> ApiKey | None:
    try:
        return await tenants.find_key(tx, KeyId(UUID(user)))
    except ValueError:
        return None


async def _of_roles(tx: Tx, permission: Document) -> list[Document]:
    """Return what the roles that a permission gives allow, for the asset for which it gives them."""
    found = []
    for given in permission.get("assetUserRole") or []:
        role = await load(tx, USER_ROLE, _id(given.get("userRole")) or "")
        scope = {name: given[name] for name in ("manageableAsset", "managedAssetGroup") if given.get(name)}
        found += [{**one, **scope} for one in (role or {}).get("entitlement") or []]
    return found


def _valid(permission: Document, now: datetime) -> bool:
    period = permission.get("validFor") or {}
    begins, ends = period.get("startDateTime"), period.get("endDateTime")
    begun = begins is None or datetime.fromisoformat(begins) <= now
    return begun and (ends is None or now < datetime.fromisoformat(ends))


def _id(thing: object) -> str | None:
    found = thing.get("id") if isinstance(thing, Mapping) else None
    return found if isinstance(found, str) else None


def _grants(right: Document, entity: str | None, function: str, action: str) -> bool:
    """Return whether a right covers it: for everything, or for the very entity that is asked about."""
    words = (str(right.get("function")).lower(), str(right.get("action")).lower())
    asset = _id(right.get("manageableAsset"))
    everything = not right.get("manageableAsset") and not right.get("managedAssetGroup")
    return words == (function, action) and (everything or (asset is not None and asset == entity))


async def _find(_tx: Tx, _key: str, _now: datetime) -> Document | None:
    return None


async def _page(_tx: Tx, wanted: Wanted) -> Page[Document]:
    return Page((), 0, wanted.offset, wanted.limit)


ANSWERED: Final = Behaviour(_find, _page, check_permission)
