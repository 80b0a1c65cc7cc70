-- A product's terms over time; services and resources; the pools that resources are taken from.

-- has_terms: whether there is or was any suspension, override or commitment. Most products never have one, and loading a
-- thousand of them asks no table for it.
ALTER TABLE inventory.product
    ADD COLUMN has_terms  boolean NOT NULL DEFAULT false,
    ADD COLUMN end_reason text CHECK (end_reason IN ('cease', 'withdrawal', 'replaced')),
    ADD COLUMN parent_id  uuid,
    ADD COLUMN order_id   uuid,
    ADD CONSTRAINT product_ended_for CHECK (end_reason IS NULL OR ended_at IS NOT NULL),
    ADD CONSTRAINT product_parent FOREIGN KEY (tenant_id, parent_id)
        REFERENCES inventory.product (tenant_id, product_id);
CREATE INDEX product_by_parent ON inventory.product (tenant_id, parent_id) WHERE parent_id IS NOT NULL;

-- number: the order in which they were added. A suspension that ended when it began was undone.
CREATE TABLE inventory.suspension (
    tenant_id         uuid NOT NULL,
    product_id        uuid NOT NULL,
    number            integer NOT NULL,
    reason            text NOT NULL CHECK (reason IN ('dunning', 'fraud', 'customer', 'lost_sim', 'regulator')),
    valid_from        timestamptz NOT NULL,
    valid_to          timestamptz CHECK (valid_to >= valid_from),
    recurring_percent smallint NOT NULL CHECK (recurring_percent BETWEEN 0 AND 100),
    PRIMARY KEY (tenant_id, product_id, number),
    FOREIGN KEY (tenant_id, product_id) REFERENCES inventory.product (tenant_id, product_id)
);
SELECT base.tenant_table('inventory', 'suspension');

CREATE TABLE inventory.price_override (
    tenant_id    uuid NOT NULL,
    product_id   uuid NOT NULL,
    number       integer NOT NULL,
    override_id  uuid NOT NULL,
    price_id     text NOT NULL CHECK (price_id <> ''),
    valid_from   timestamptz NOT NULL,
    valid_to     timestamptz CHECK (valid_to >= valid_from),
    price        numeric CHECK (price >= 0),
    percent      numeric CHECK (percent >= 0),
    reason       text NOT NULL,
    agreement_id uuid,
    PRIMARY KEY (tenant_id, product_id, number),
    CONSTRAINT price_override_id UNIQUE (tenant_id, override_id),
    CHECK (num_nonnulls(price, percent) = 1),
    FOREIGN KEY (tenant_id, product_id) REFERENCES inventory.product (tenant_id, product_id)
);
SELECT base.tenant_table('inventory', 'price_override');

-- The last one holds.
CREATE TABLE inventory.commitment (
    tenant_id         uuid NOT NULL,
    product_id        uuid NOT NULL,
    number            integer NOT NULL,
    starts_at         timestamptz NOT NULL,
    ends_at           timestamptz NOT NULL CHECK (ends_at >= starts_at),
    notice_days       integer NOT NULL CHECK (notice_days >= 0),
    withdrawal_days   integer NOT NULL CHECK (withdrawal_days >= 0),
    fee               numeric CHECK (fee >= 0),
    remaining_percent numeric CHECK (remaining_percent BETWEEN 0 AND 100),
    PRIMARY KEY (tenant_id, product_id, number),
    CHECK (num_nonnulls(fee, remaining_percent) <= 1),
    FOREIGN KEY (tenant_id, product_id) REFERENCES inventory.product (tenant_id, product_id)
);
SELECT base.tenant_table('inventory', 'commitment');

CREATE TABLE inventory.service_instance (
    tenant_id     uuid NOT NULL,
    service_id    uuid NOT NULL,
    product_id    uuid NOT NULL,
    specification text NOT NULL CHECK (specification <> ''),
    attributes    jsonb NOT NULL,
    PRIMARY KEY (tenant_id, service_id),
    FOREIGN KEY (tenant_id, product_id) REFERENCES inventory.product (tenant_id, product_id)
);
CREATE INDEX service_by_product ON inventory.service_instance (tenant_id, product_id);
SELECT base.tenant_table('inventory', 'service_instance');

CREATE TABLE inventory.service_change (
    tenant_id  uuid NOT NULL,
    service_id uuid NOT NULL,
    number     integer NOT NULL,
    valid_from timestamptz NOT NULL,
    state      text NOT NULL
        CHECK (state IN ('designed', 'reserved', 'inactive', 'active', 'suspended', 'terminated')),
    PRIMARY KEY (tenant_id, service_id, number),
    FOREIGN KEY (tenant_id, service_id) REFERENCES inventory.service_instance (tenant_id, service_id)
);
SELECT base.tenant_table('inventory', 'service_change');

CREATE TABLE inventory.pool (
    tenant_id       uuid NOT NULL,
    pool_id         uuid NOT NULL,
    name            text NOT NULL CHECK (name <> ''),
    kind            text NOT NULL,
    quarantine_days integer NOT NULL CHECK (quarantine_days BETWEEN 0 AND 3650),
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, pool_id),
    CONSTRAINT pool_name UNIQUE (tenant_id, name)
);
SELECT base.tenant_table('inventory', 'pool');

CREATE TABLE inventory.reservation (
    tenant_id uuid NOT NULL,
    key       text NOT NULL CHECK (key <> ''),
    pool_id   uuid NOT NULL,
    count     integer NOT NULL CHECK (count > 0),
    PRIMARY KEY (tenant_id, key),
    FOREIGN KEY (tenant_id, pool_id) REFERENCES inventory.pool (tenant_id, pool_id)
);
SELECT base.tenant_table('inventory', 'reservation');

-- until: when a reservation or a quarantine ends.
CREATE TABLE inventory.resource (
    tenant_id       uuid NOT NULL,
    resource_id     uuid NOT NULL,
    pool_id         uuid NOT NULL,
    kind            text NOT NULL,
    value           text COLLATE "C" NOT NULL CHECK (value <> ''),
    attributes      jsonb NOT NULL,
    state           text NOT NULL CHECK (state IN ('available', 'reserved', 'assigned', 'quarantined', 'retired')),
    reservation_key text,
    until           timestamptz,
    product_id      uuid,
    service_id      uuid,
    PRIMARY KEY (tenant_id, resource_id),
    CONSTRAINT resource_value UNIQUE (tenant_id, kind, value),
    CHECK ((state = 'assigned') = (product_id IS NOT NULL)),
    CHECK ((state IN ('reserved', 'quarantined')) = (until IS NOT NULL)),
    CHECK ((state IN ('reserved', 'assigned')) = (reservation_key IS NOT NULL)),
    FOREIGN KEY (tenant_id, pool_id) REFERENCES inventory.pool (tenant_id, pool_id),
    FOREIGN KEY (tenant_id, product_id) REFERENCES inventory.product (tenant_id, product_id)
) WITH (autovacuum_vacuum_scale_factor = 0.02);
-- What can be taken, and nothing else: taking one costs the same with ten as with ten million. What was taken stays in
-- front of the index until it is vacuumed, hence early: 50,000 taken ones double the cost of taking one.
CREATE INDEX resource_available ON inventory.resource (tenant_id, pool_id, value) WHERE state = 'available';
CREATE INDEX resource_reserved ON inventory.resource (tenant_id, reservation_key) WHERE reservation_key IS NOT NULL;
CREATE INDEX resource_due ON inventory.resource (tenant_id, until) WHERE until IS NOT NULL;
CREATE INDEX resource_of_product ON inventory.resource (tenant_id, product_id) WHERE product_id IS NOT NULL;
CREATE UNIQUE INDEX resource_imsi ON inventory.resource (tenant_id, (attributes ->> 'imsi'))
    WHERE attributes ->> 'imsi' IS NOT NULL;
SELECT base.tenant_table('inventory', 'resource');

CREATE TABLE inventory.resource_use (
    tenant_id   uuid NOT NULL,
    resource_id uuid NOT NULL,
    number      integer NOT NULL,
    product_id  uuid NOT NULL,
    service_id  uuid,
    valid_from  timestamptz NOT NULL,
    valid_to    timestamptz CHECK (valid_to >= valid_from),
    PRIMARY KEY (tenant_id, resource_id, number),
    FOREIGN KEY (tenant_id, resource_id) REFERENCES inventory.resource (tenant_id, resource_id),
    FOREIGN KEY (tenant_id, product_id) REFERENCES inventory.product (tenant_id, product_id)
);
CREATE INDEX resource_use_by_product ON inventory.resource_use (tenant_id, product_id);
SELECT base.tenant_table('inventory', 'resource_use');
