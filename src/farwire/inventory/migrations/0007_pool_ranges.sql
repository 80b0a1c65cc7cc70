-- Pools of what can be counted (numbers, addresses, VLANs, prefixes) may have ranges: a /8 is one row, and what is given
-- out of it becomes a resource.

-- number: the value as a number (0 for what is no number), so that 10.0.0.9 comes before 10.0.0.10; last_number: where a
-- prefix ends. scope: a value is given once in it; private addresses repeat from one VPN to the next.
ALTER TABLE inventory.resource
    ADD COLUMN scope       text NOT NULL DEFAULT '',
    ADD COLUMN number      numeric NOT NULL DEFAULT 0 CHECK (number >= 0),
    ADD COLUMN last_number numeric CHECK (last_number >= number);
UPDATE inventory.resource SET number = value::numeric WHERE kind = 'msisdn';
UPDATE inventory.resource SET number = value::inet - inet '0.0.0.0' WHERE kind = 'ipv4';
ALTER TABLE inventory.resource
    DROP CONSTRAINT resource_value,
    ADD CONSTRAINT resource_value UNIQUE (tenant_id, kind, scope, number, value);
CREATE INDEX resource_next ON inventory.resource (tenant_id, pool_id, number, value) WHERE state = 'available';

-- has_ranges is set with the first range and stays. last_given: where the sequential policy goes on. warned_at: since when
-- so much is in use that somebody was told.
ALTER TABLE inventory.pool
    ADD COLUMN scope         text NOT NULL DEFAULT '' CHECK (length(scope) <= 100),
    ADD COLUMN policy        text NOT NULL DEFAULT 'lowest' CHECK (policy IN ('lowest', 'sequential', 'random')),
    ADD COLUMN prefix_length smallint NOT NULL DEFAULT 0 CHECK (prefix_length BETWEEN 0 AND 128),
    ADD COLUMN warn_percent  smallint NOT NULL DEFAULT 80 CHECK (warn_percent BETWEEN 1 AND 100),
    ADD COLUMN warned_at     timestamptz,
    ADD COLUMN last_given    numeric,
    ADD COLUMN has_ranges    boolean NOT NULL DEFAULT false;

-- What a pool spans. Ranges of one kind and scope never overlap: they are added under a lock. The key ends with the end
-- of the range, so that one step finds the range that a number lies in or before.
CREATE TABLE inventory.pool_range (
    tenant_id    uuid NOT NULL,
    kind         text NOT NULL,
    scope        text NOT NULL,
    last_number  numeric NOT NULL,
    first_number numeric NOT NULL CHECK (first_number BETWEEN 0 AND last_number),
    pool_id      uuid NOT NULL,
    PRIMARY KEY (tenant_id, kind, scope, last_number),
    FOREIGN KEY (tenant_id, pool_id) REFERENCES inventory.pool (tenant_id, pool_id)
);
CREATE INDEX pool_range_of_pool ON inventory.pool_range (tenant_id, pool_id, last_number);
SELECT base.tenant_table('inventory', 'pool_range');

-- What of a range is not given to anybody: network, broadcast, gateway, and whatever an operator keeps back.
CREATE TABLE inventory.pool_withheld (
    tenant_id    uuid NOT NULL,
    pool_id      uuid NOT NULL,
    last_number  numeric NOT NULL,
    first_number numeric NOT NULL CHECK (first_number BETWEEN 0 AND last_number),
    reason       text NOT NULL CHECK (length(reason) BETWEEN 1 AND 100),
    PRIMARY KEY (tenant_id, pool_id, last_number),
    FOREIGN KEY (tenant_id, pool_id) REFERENCES inventory.pool (tenant_id, pool_id)
);
SELECT base.tenant_table('inventory', 'pool_withheld');

-- How wide the widest block in a range is that begins at a multiple of its size, as a power of two.
CREATE FUNCTION inventory.widest(low numeric, high numeric) RETURNS smallint LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    size  numeric := 1;
    power smallint := 0;
BEGIN
    WHILE size * 2 <= high - low + 1 LOOP
        size := size * 2;
        power := power + 1;
    END LOOP;
    -- A range that is as long as two blocks less one has an aligned one in it: one power less always fits.
    IF low + (size - low % size) % size + size - 1 > high THEN
        power := power - 1;
    END IF;
    RETURN power;
END $$;

-- What of the ranges nobody has, no one had as a resource of its own, and nobody keeps back. Changed under a lock of the pool's row.
CREATE TABLE inventory.pool_free (
    tenant_id    uuid NOT NULL,
    pool_id      uuid NOT NULL,
    last_number  numeric NOT NULL,
    first_number numeric NOT NULL CHECK (first_number BETWEEN 0 AND last_number),
    widest       smallint NOT NULL GENERATED ALWAYS AS (inventory.widest(first_number, last_number)) STORED,
    PRIMARY KEY (tenant_id, pool_id, last_number),
    FOREIGN KEY (tenant_id, pool_id) REFERENCES inventory.pool (tenant_id, pool_id)
);
CREATE INDEX pool_free_by_width ON inventory.pool_free (tenant_id, pool_id, widest, last_number);
SELECT base.tenant_table('inventory', 'pool_free');

-- Put low to high among what is free, as one range with its neighbours.
CREATE FUNCTION inventory.free_span(tenant uuid, pool uuid, low numeric, high numeric) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    start  numeric := low;
    finish numeric := high;
    beside record;
BEGIN
    PERFORM 1 FROM inventory.pool p WHERE p.tenant_id = tenant AND p.pool_id = pool FOR NO KEY UPDATE;
    FOR beside IN SELECT f.first_number, f.last_number FROM inventory.pool_free f
         WHERE f.tenant_id = tenant AND f.pool_id = pool AND f.last_number >= low - 1 ORDER BY f.last_number LIMIT 2 LOOP
        IF beside.last_number = low - 1 THEN
            start := beside.first_number;
        ELSIF beside.first_number = high + 1 THEN
            finish := beside.last_number;
        ELSE
            CONTINUE;
        END IF;
        DELETE FROM inventory.pool_free f
         WHERE f.tenant_id = tenant AND f.pool_id = pool AND f.last_number = beside.last_number;
    END LOOP;
    INSERT INTO inventory.pool_free (tenant_id, pool_id, first_number, last_number) VALUES (tenant, pool, start, finish);
END $$;

-- A prefix that comes back is no prefix any more: its addresses are free, and may be given as part of a wider one. The row
-- stays for those who ask who had it. A number stays available as it is: it is taken again without a lock of the pool.
CREATE FUNCTION inventory.free_prefix() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM inventory.free_span(NEW.tenant_id, NEW.pool_id, NEW.number, NEW.last_number);
    NEW.state := 'retired';
    RETURN NEW;
END $$;
CREATE TRIGGER resource_prefix_freed BEFORE UPDATE OF state ON inventory.resource FOR EACH ROW
    WHEN (NEW.last_number IS NOT NULL AND NEW.state = 'available') EXECUTE FUNCTION inventory.free_prefix();
