"""TMF720: identities and their credentials, as documents.

# DEVIATES: TMF720 because a secret is refused: whoever reads a document would have it. Passwords and tokens belong to
# the system that checks them; what is kept here is whose they are, and in which state.
"""

from __future__ import annotations

from typing import Final

from farwire.base.authz import Permission
from farwire.base.storage import Tx
from farwire.base.tmf import Api, Document, Resource, tmf_routes
from farwire.base.web import AnyRoute
from farwire.kernel.errors import Invalid
from farwire.party.api.tmf720_tables import ALL

SECRETS: Final = ("password", "tokenCredential")


async def no_secret(_: Tx, document: Document) -> None:
    """Raise ``Invalid`` (``party.secret``) for a credential with its secret."""
    for number, one in enumerate(document.get("credential", ())):
        for name in SECRETS:
            if one.get(name) is not None:
                raise Invalid(
                    "a secret is not kept in a document",
                    code="party.secret",
                    field=f"$.credential[{number}].{name}",
                    fix="leave it out: the system that checks it keeps it",
                )


API: Final = Api(
    number="720",
    title="Digital identities",
    path="digitalIdentityManagement",
    resources=tuple(
        Resource(one, "party", Permission.PARTY_READ, Permission.PARTY_WRITE, check=no_secret) for one in ALL
    ),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
