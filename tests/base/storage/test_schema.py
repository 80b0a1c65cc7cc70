"""Every table of every context keeps the rules of tenancy. New ones are found by themselves."""

import pytest

from farwire.base.storage import Database

# An index, a unique constraint or a function that departs from the rule, and why.
INDEXES_WITHOUT_TENANT = {
    "base.outbox_relay_order": "the relay reads the outbox of all tenants in order of position",
    "base.delivery_heads": "the relay looks for the first event of each subject, whatever the tenant",
    "base.tmf_resource_values": "its first column is a text that begins with the tenant: values go beside no uuid",
}
DEFINER_FUNCTIONS: dict[str, str] = {
    "base.tmf_matching": "no operator of jsonb is leakproof, so under the policy the index of values is never used; it"
    " returns positions of the transaction's tenant only (decision 11, tests/base/tmf/test_engine.py)",
}

TABLES = """
SELECT format('%I.%I', n.nspname, c.relname) AS name, c.relrowsecurity AND c.relforcerowsecurity AS forced,
       u.reason,
       (SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
         WHERE i.indrelid = c.oid AND i.indisprimary) AS first_key,
       (SELECT t.typname FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
         WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND a.attnotnull) AS tenant_type,
       EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'tenant_scope'
                  AND pg_get_expr(p.polqual, c.oid) = '(tenant_id = base.current_tenant())'
                  AND pg_get_expr(p.polwithcheck, c.oid) = '(tenant_id = base.current_tenant())') AS scoped,
       (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid
           AND p.polname NOT IN ('tenant_scope', 'owner_scope', 'relay_scope')) AS other_policies,
       array(SELECT privilege
               FROM unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) AS privilege
              WHERE has_table_privilege('farwire_app', c.oid, privilege)) AS app_privileges,
       c.relispartition AS partition, n.nspname AS schema
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN base.untenanted u ON u.schema_name = n.nspname AND u.table_name = c.relname
 WHERE c.relkind IN ('r', 'p', 'f') AND n.nspname !~ '^(pg_|information_schema$)'
 ORDER BY 1
"""


async def test_every_table_is_under_forced_row_security_or_listed_with_a_reason(db: Database) -> None:
    async with db.untenanted() as tx:
        tables = await tx.fetch(TABLES)
    assert len(tables) > 10
    for table in tables:
        if table["partition"]:
            assert not table["app_privileges"], (
                f"{table['name']}: a partition is reached through its parent only"
            )
        elif table["reason"] is not None:
            assert not table["forced"], f"{table['name']} is listed as untenanted and has row-level security"
        else:
            assert table["forced"], f"{table['name']}: call base.tenant_table or base.untenanted_table"
            assert table["scoped"], (
                f"{table['name']} has no policy tenant_scope as base.tenant_table makes it"
            )
            assert table["other_policies"] == 0, f"{table['name']} has a policy that could let more through"
            assert table["first_key"] == "tenant_id", (
                f"{table['name']}: tenant_id is not first in the primary key"
            )
            assert table["tenant_type"] == "uuid", f"{table['name']}: tenant_id is not uuid NOT NULL"


async def test_the_application_can_neither_truncate_nor_change_a_table(db: Database) -> None:
    async with db.untenanted() as tx:
        for table in await tx.fetch(TABLES):
            assert not {"TRUNCATE", "REFERENCES", "TRIGGER"} & set(table["app_privileges"]), table["name"]
        assert not await tx.fetchval("SELECT has_database_privilege(current_database(), 'CREATE')")
        creatable = await tx.fetch(
            "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND has_schema_privilege(oid, 'CREATE')"
        )
        assert [row["nspname"] for row in creatable] == []


async def test_every_index_of_a_tenanted_table_starts_with_the_tenant(db: Database) -> None:
    async with db.untenanted() as tx:
        rows = await tx.fetch(
            """SELECT format('%I.%I', n.nspname, x.relname) AS name
                 FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid
                 JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE c.relrowsecurity AND NOT c.relispartition
                  AND NOT EXISTS (SELECT FROM pg_attribute a
                                   WHERE a.attrelid = c.oid AND a.attnum = i.indkey[0] AND a.attname = 'tenant_id')"""
        )
    assert {row["name"] for row in rows} == set(INDEXES_WITHOUT_TENANT)


async def test_every_foreign_key_between_tenanted_tables_includes_the_tenant(db: Database) -> None:
    async with db.untenanted() as tx:
        rows = await tx.fetch(
            """SELECT k.conrelid::regclass::text AS name, k.conname
                 FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class f ON f.oid = k.confrelid
                WHERE k.contype = 'f' AND c.relrowsecurity AND f.relrowsecurity
                  AND NOT EXISTS (SELECT FROM unnest(k.conkey, k.confkey) AS pair (mine, theirs)
                                    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = pair.mine
                                    JOIN pg_attribute b ON b.attrelid = f.oid AND b.attnum = pair.theirs
                                   WHERE a.attname = 'tenant_id' AND b.attname = 'tenant_id')"""
        )
    assert [tuple(row) for row in rows] == []


async def test_no_context_refers_to_tables_of_another_except_the_registry_of_tenants(db: Database) -> None:
    async with db.untenanted() as tx:
        rows = await tx.fetch(
            """SELECT k.conrelid::regclass::text AS name, k.confrelid::regclass::text AS target
                 FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class f ON f.oid = k.confrelid
                WHERE k.contype = 'f' AND c.relnamespace <> f.relnamespace
                  AND k.confrelid <> 'tenant.tenant'::regclass"""
        )
    assert [tuple(row) for row in rows] == []


async def test_no_view_and_no_function_runs_with_the_owners_rights(db: Database) -> None:
    async with db.untenanted() as tx:
        views = await tx.fetch(
            """SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE c.relkind IN ('v', 'm') AND n.nspname !~ '^(pg_|information_schema$)'
                  AND NOT coalesce(c.reloptions, '{}') && ARRAY['security_invoker=true', 'security_invoker=on']"""
        )
        functions = await tx.fetch(
            """SELECT p.oid::regproc::text AS name FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
                WHERE p.prosecdef AND n.nspname !~ '^(pg_|information_schema$)'"""
        )
    assert [row["name"] for row in views] == []
    assert {row["name"] for row in functions} == set(DEFINER_FUNCTIONS)


@pytest.mark.parametrize("kind", ["money", "double precision", "real", "timestamp without time zone", "json"])
async def test_no_column_has_a_type_that_loses_meaning(db: Database, kind: str) -> None:
    async with db.untenanted() as tx:
        rows = await tx.fetch(
            """SELECT table_schema || '.' || table_name || '.' || column_name AS name FROM information_schema.columns
                WHERE data_type = $1 AND table_schema !~ '^(pg_|information_schema$)' ORDER BY 1""",
            kind,
        )
    assert [row["name"] for row in rows] == []
