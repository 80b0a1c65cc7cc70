-- The check of overlaps looks key by key. As a join it was planned once a session, on a table without statistics, and
-- compared each new assignment with all that there were: 20,000 at once took 10 s.
CREATE OR REPLACE FUNCTION inventory.refuse_overlap() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    clash uuid;
BEGIN
    PERFORM 1 FROM inventory.subscriber s JOIN changed c
        ON s.tenant_id = c.tenant_id AND s.subscriber_key = c.subscriber_key
        ORDER BY s.subscriber_key FOR UPDATE OF s;
    SELECT c.subscriber_key INTO clash FROM changed c CROSS JOIN LATERAL (
        SELECT a.valid_from, a.valid_to FROM inventory.assignment a
         WHERE a.tenant_id = c.tenant_id AND a.subscriber_key = c.subscriber_key OFFSET 0) a
        WHERE a.valid_from <> c.valid_from
        AND a.valid_from < coalesce(c.valid_to, 'infinity') AND c.valid_from < coalesce(a.valid_to, 'infinity')
        LIMIT 1;
    IF clash IS NOT NULL THEN
        RAISE EXCEPTION 'subscriber % would have two products at one time', clash
            USING ERRCODE = 'exclusion_violation', CONSTRAINT = 'assignment_overlap';
    END IF;
    RETURN NULL;
END $$;
