-- Tenancy. The runner has made schema base and table base.migration; the roles farwire_owner, farwire_app and
-- farwire_relay exist. Every tenanted table goes through base.tenant_table, every other one through
-- base.untenanted_table, which wants a reason.

CREATE TABLE base.untenanted (
    schema_name text NOT NULL,
    table_name  text NOT NULL,
    reason      text NOT NULL CHECK (length(reason) >= 20),
    PRIMARY KEY (schema_name, table_name)
);

-- The tenant of this transaction, or NULL. NULL equals nothing: without a tenant, no row of any tenant is seen.
CREATE FUNCTION base.current_tenant() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT nullif(current_setting('farwire.tenant_id', true), '')::uuid $$;

-- Put a table under row-level security, scoped to the tenant of the transaction. FORCE makes it hold for the
-- owner too, whose own policy shows all rows: migrations and backups need them, work never runs as the owner.
CREATE FUNCTION base.tenant_table(p_schema text, p_table text, append_only boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    target   regclass := format('%I.%I', p_schema, p_table)::regclass;
    first_pk text;
BEGIN
    SELECT a.attname INTO first_pk
      FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
     WHERE i.indrelid = target AND i.indisprimary;
    IF first_pk IS DISTINCT FROM 'tenant_id' THEN
        RAISE EXCEPTION 'tenant_id is not first in the primary key of %', target
            USING HINT = 'PRIMARY KEY (tenant_id, ...), or base.untenanted_table with a reason';
    END IF;
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', target);
    EXECUTE format('CREATE POLICY tenant_scope ON %s TO farwire_app '
                   'USING (tenant_id = base.current_tenant()) WITH CHECK (tenant_id = base.current_tenant())', target);
    EXECUTE format('CREATE POLICY owner_scope ON %s TO farwire_owner USING (true) WITH CHECK (true)', target);
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO farwire_app', p_schema);
    EXECUTE format('GRANT SELECT, INSERT%s ON %s TO farwire_app',
                   CASE WHEN append_only THEN '' ELSE ', UPDATE, DELETE' END, target);
END $$;

-- Let the application use a table that has no tenant, and write down why it has none.
CREATE FUNCTION base.untenanted_table(p_schema text, p_table text, p_reason text, append_only boolean DEFAULT false)
    RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    target regclass := format('%I.%I', p_schema, p_table)::regclass;
BEGIN
    INSERT INTO base.untenanted VALUES (p_schema, p_table, p_reason);
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO farwire_app', p_schema);
    EXECUTE format('GRANT SELECT, INSERT%s ON %s TO farwire_app',
                   CASE WHEN append_only THEN '' ELSE ', UPDATE, DELETE' END, target);
END $$;

-- Let the relay see a tenanted table across tenants, with just the named privileges ('SELECT, UPDATE').
CREATE FUNCTION base.relay_table(p_schema text, p_table text, p_privileges text) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    target regclass := format('%I.%I', p_schema, p_table)::regclass;
BEGIN
    IF p_privileges !~ '^(SELECT|INSERT|UPDATE|DELETE)(, (SELECT|INSERT|UPDATE|DELETE))*$' THEN
        RAISE EXCEPTION 'not a list of privileges: %', p_privileges;
    END IF;
    EXECUTE format('CREATE POLICY relay_scope ON %s TO farwire_relay USING (true) WITH CHECK (true)', target);
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO farwire_relay', p_schema);
    EXECUTE format('GRANT %s ON %s TO farwire_relay', p_privileges, target);
END $$;

-- Figures that a backup writes down and a restore must find again, e.g. the sum of all postings per currency. The
-- query gives (key, value) as text over all tenants, with the same result on the same rows whenever it runs.
CREATE TABLE base.control_total (
    name  text PRIMARY KEY CHECK (name ~ '^[a-z]+\.[a-z_]+$'),
    query text NOT NULL
);

CREATE FUNCTION base.control_total(p_name text, p_query text) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    ignored_key   text;
    ignored_value text;
BEGIN
    EXECUTE 'SELECT key::text, value::text FROM (' || p_query || ') AS total (key, value)'
       INTO ignored_key, ignored_value;  -- a query that does not run fails here, not at the first backup
    INSERT INTO base.control_total VALUES (p_name, p_query)
        ON CONFLICT (name) DO UPDATE SET query = excluded.query;
END $$;

REVOKE ALL ON FUNCTION base.tenant_table, base.untenanted_table, base.relay_table, base.control_total FROM PUBLIC;

-- The tables of the storage itself are read by the application (readiness) and written by migrations only.
GRANT USAGE ON SCHEMA base TO farwire_app, farwire_relay;
GRANT SELECT ON base.migration, base.untenanted, base.control_total TO farwire_app, farwire_relay;
INSERT INTO base.untenanted VALUES
    ('base', 'migration', 'the state of the schema belongs to the installation, not to a tenant'),
    ('base', 'untenanted', 'the list of untenanted tables belongs to the installation, not to a tenant'),
    ('base', 'control_total', 'the queries that prove a restore run over all tenants at once');
