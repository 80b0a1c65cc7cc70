-- Resources of the TM Forum Open APIs that are kept as documents, in the shape of v5, until a context gives them behaviour.

CREATE TABLE base.tmf_resource (
    tenant_id  uuid        NOT NULL,
    api        text        NOT NULL CHECK (api ~ '^[0-9]{3}$'),
    type       text        NOT NULL,
    id         text        NOT NULL CHECK (length(id) BETWEEN 1 AND 100),
    position   bigint      GENERATED ALWAYS AS IDENTITY,
    version    bigint      NOT NULL DEFAULT 1,
    document   jsonb       NOT NULL,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, api, type, id)
);
-- The order of every list: rows that are added come last, so a page stays what it was.
CREATE UNIQUE INDEX tmf_resource_order ON base.tmf_resource (tenant_id, api, type, position);
CREATE INDEX tmf_resource_values ON base.tmf_resource USING gin (document jsonb_path_ops);
SELECT base.tenant_table('base', 'tmf_resource');

-- The positions of the tenant's documents that fit a predicate, at most so many, in no order. A row-level policy comes
-- before every operator that is not leakproof, and no operator of jsonb is: under the policy itself the index of values
-- is never used. This function runs as the owner and names the tenant of the transaction itself; what it returns are positions, and whoever
-- reads the documents does so under the policy again.
CREATE FUNCTION base.tmf_matching(tenant_id uuid, p_api text, p_type text, p_predicate jsonpath, p_limit bigint)
    RETURNS TABLE (found bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
    AS $$
    SELECT r.position FROM base.tmf_resource r
     WHERE r.tenant_id = tmf_matching.tenant_id AND r.tenant_id = base.current_tenant()
       AND r.api = p_api AND r.type = p_type AND r.document @@ p_predicate
     LIMIT p_limit
$$;
REVOKE ALL ON FUNCTION base.tmf_matching FROM PUBLIC;
GRANT EXECUTE ON FUNCTION base.tmf_matching TO farwire_app;

-- Whether references of an API must lead somewhere; without a row they must.
CREATE TABLE base.tmf_setting (
    tenant_id  uuid NOT NULL,
    api        text NOT NULL CHECK (api ~ '^[0-9]{3}$'),
    mode       text NOT NULL CHECK (mode IN ('strict', 'lenient')),
    PRIMARY KEY (tenant_id, api)
);
SELECT base.tenant_table('base', 'tmf_setting');

-- Who wants to hear of the events of an API, and how.
CREATE TABLE base.tmf_hub (
    tenant_id  uuid        NOT NULL,
    id         uuid        NOT NULL,
    api        text        NOT NULL CHECK (api ~ '^[0-9]{3}$'),
    version    text        NOT NULL CHECK (version IN ('v4', 'v5')),
    callback   text        NOT NULL CHECK (length(callback) <= 2000),
    query      text        NOT NULL,
    secret     text        NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX tmf_hub_api ON base.tmf_hub (tenant_id, api);
SELECT base.tenant_table('base', 'tmf_hub');
