CREATE TABLE inventory.subscriber (
    tenant_id      uuid NOT NULL,
    identifier     text NOT NULL CHECK (identifier <> ''),
    subscriber_key uuid NOT NULL,
    PRIMARY KEY (tenant_id, identifier),
    UNIQUE (tenant_id, subscriber_key)
);
SELECT base.tenant_table('inventory', 'subscriber');

CREATE TABLE inventory.product (
    tenant_id   uuid NOT NULL,
    product_id  uuid NOT NULL,
    account_id  uuid NOT NULL,
    offering_id uuid NOT NULL,
    started_at  timestamptz NOT NULL,
    ended_at    timestamptz CHECK (ended_at >= started_at),
    PRIMARY KEY (tenant_id, product_id)
);
CREATE INDEX product_by_account ON inventory.product (tenant_id, account_id);
SELECT base.tenant_table('inventory', 'product');

CREATE TABLE inventory.product_plan (
    tenant_id       uuid NOT NULL,
    product_id      uuid NOT NULL,
    valid_from      timestamptz NOT NULL,
    plan_version_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, product_id, valid_from),
    FOREIGN KEY (tenant_id, product_id) REFERENCES inventory.product (tenant_id, product_id)
);
SELECT base.tenant_table('inventory', 'product_plan');

CREATE TABLE inventory.assignment (
    tenant_id      uuid NOT NULL,
    subscriber_key uuid NOT NULL,
    valid_from     timestamptz NOT NULL,
    valid_to       timestamptz CHECK (valid_to > valid_from),
    product_id     uuid NOT NULL,
    kind           text NOT NULL,
    PRIMARY KEY (tenant_id, subscriber_key, valid_from),
    FOREIGN KEY (tenant_id, product_id) REFERENCES inventory.product (tenant_id, product_id)
);
CREATE INDEX assignment_by_product ON inventory.assignment (tenant_id, product_id);
SELECT base.tenant_table('inventory', 'assignment');

-- An exclusion constraint would need btree_gist, which is not everywhere. The lock on the subscriber's row makes two
-- transactions that assign the same subscriber wait for each other; the second then sees the rows of the first.
CREATE FUNCTION inventory.refuse_overlap() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    clash uuid;
BEGIN
    PERFORM 1 FROM inventory.subscriber s JOIN changed c
        ON s.tenant_id = c.tenant_id AND s.subscriber_key = c.subscriber_key
        ORDER BY s.subscriber_key FOR UPDATE OF s;
    SELECT c.subscriber_key INTO clash FROM changed c JOIN inventory.assignment a
        ON a.tenant_id = c.tenant_id AND a.subscriber_key = c.subscriber_key AND a.valid_from <> c.valid_from
        AND a.valid_from < coalesce(c.valid_to, 'infinity') AND c.valid_from < coalesce(a.valid_to, 'infinity')
        LIMIT 1;
    IF clash IS NOT NULL THEN
        RAISE EXCEPTION 'subscriber % would have two products at one time', clash
            USING ERRCODE = 'exclusion_violation', CONSTRAINT = 'assignment_overlap';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER assignment_inserted AFTER INSERT ON inventory.assignment
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION inventory.refuse_overlap();
CREATE TRIGGER assignment_updated AFTER UPDATE ON inventory.assignment
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION inventory.refuse_overlap();
