"""The permission matrix, and the page that documents it."""

from __future__ import annotations

from pathlib import Path

import pytest

from farwire.base.authz import (
    ROLE_PERMISSIONS,
    Permission,
    PermissionMissing,
    Principal,
    Role,
    require,
)
from farwire.kernel.errors import Forbidden
from farwire.kernel.ids import KeyId, TenantId, uuid7

ROLES_PAGE = Path(__file__).resolve().parents[3] / "docs" / "roles.md"


def principal(role: Role) -> Principal:
    return Principal(TenantId(uuid7()), role, KeyId(uuid7()))


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("permission", Permission)
def test_require_passes_exactly_what_the_matrix_allows(role: Role, permission: Permission) -> None:
    if permission in ROLE_PERMISSIONS[role]:
        require(principal(role), permission)
    else:
        with pytest.raises(PermissionMissing) as raised:
            require(principal(role), permission)
        assert raised.value.value == permission.value
        assert raised.value.code == "authz.permission_missing"
        assert isinstance(raised.value, Forbidden)


def test_every_role_has_permissions_and_every_permission_has_a_role() -> None:
    assert set(ROLE_PERMISSIONS) == set(Role)
    assert all(ROLE_PERMISSIONS.values())
    assert frozenset().union(*ROLE_PERMISSIONS.values()) == set(Permission)


def test_the_refusal_names_the_roles_that_may() -> None:
    with pytest.raises(PermissionMissing) as raised:
        require(principal(Role.AUDITOR), Permission.BILL_RUN)
    assert raised.value.fix == "use a key of a role that has it: tenant_admin, billing_operator"


@pytest.mark.parametrize(
    ("role", "refused"),
    [
        (Role.TENANT_ADMIN, Permission.TENANT_MANAGE),
        (Role.PLATFORM_OPERATOR, Permission.PARTY_READ),
        (Role.PLATFORM_OPERATOR, Permission.USAGE_READ),
        (Role.PRODUCT_MANAGER, Permission.BILL_RUN),
        (Role.AGENT, Permission.USAGE_RATE),
        (Role.AGENT, Permission.AUDIT_READ),
        (Role.BILLING_OPERATOR, Permission.CATALOG_PUBLISH),
        (Role.BILLING_OPERATOR, Permission.KEY_MANAGE),
        (Role.FINANCE, Permission.USAGE_READ),
        (Role.NOC, Permission.PARTY_READ),
        (Role.INTEGRATOR, Permission.LEDGER_READ),
        (Role.INTEGRATOR, Permission.BILL_RUN),
    ],
)
def test_duties_are_separated(role: Role, refused: Permission) -> None:
    assert not principal(role).may(refused)


def test_an_auditor_reads_everything_and_changes_nothing() -> None:
    assert {p.value.rpartition(".")[2] for p in ROLE_PERMISSIONS[Role.AUDITOR]} == {"read"}
    assert {p for p in Permission if p.value.endswith(".read")} == ROLE_PERMISSIONS[Role.AUDITOR]


def roles_table() -> str:
    """Return the matrix as a Markdown table: one line per permission, one column per role."""
    lines = [
        "| permission | " + " | ".join(role.value.replace("_", " ") for role in Role) + " |",
        "|---|" + ":-:|" * len(Role),
    ]
    for permission in Permission:
        marks = ("✓" if permission in ROLE_PERMISSIONS[role] else "" for role in Role)
        lines.append(f"| `{permission}` | " + " | ".join(marks) + " |")
    return "\n".join(lines) + "\n"


def test_the_page_on_roles_shows_the_matrix() -> None:
    page = ROLES_PAGE.read_text(encoding="utf-8")
    assert roles_table() in page, f"docs/roles.md is old; its table is now:\n{roles_table()}"
    for role in Role:
        assert f"**{role.value.replace('_', ' ')}**" in page, f"docs/roles.md does not say what {role} is for"
