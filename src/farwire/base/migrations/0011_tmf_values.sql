-- The index of values knows whose a document is, and of what: a value that many tenants have, or many types, costs a list only what its own
-- documents cost. With the values alone the plan was to look into every document of the type, 4 µs each; it could not
-- know better, for PostgreSQL has no statistics of what is inside documents of 5 kB.
-- What is written waits in a list that every search reads: kept short, since searches are more frequent than writes.
DROP INDEX base.tmf_resource_values;
CREATE INDEX tmf_resource_values ON base.tmf_resource
 USING gin ((ARRAY[tenant_id::text || api || type]), document jsonb_path_ops) WITH (gin_pending_list_limit = 256);

-- The positions of the tenant's documents that fit a predicate, at most so many, in no order; see 0006. The tenant, API and type are asked
-- for in the form of that index only, and a scan of the whole table is ruled out: no other plan is left.
CREATE OR REPLACE FUNCTION base.tmf_matching(tenant_id uuid, p_api text, p_type text, p_predicate jsonpath, p_limit bigint)
    RETURNS TABLE (found bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog SET enable_seqscan = off
    AS $$
    SELECT r.position FROM base.tmf_resource r
     WHERE ARRAY[r.tenant_id::text || r.api || r.type] @> ARRAY[tmf_matching.tenant_id::text || p_api || p_type]
       AND tmf_matching.tenant_id = base.current_tenant() AND r.document @@ p_predicate
     LIMIT p_limit
$$;
