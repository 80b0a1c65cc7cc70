CREATE TABLE catalog.offering (
    tenant_id   uuid NOT NULL,
    offering_id uuid NOT NULL,
    code        text NOT NULL CHECK (code ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
    name        text NOT NULL,
    lifecycle   text NOT NULL CHECK (lifecycle IN ('active', 'retired')),
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, offering_id),
    UNIQUE (tenant_id, code)
);
SELECT base.tenant_table('catalog', 'offering');

-- A published plan never changes: the application may add rows, not touch them.
CREATE TABLE catalog.price_plan (
    tenant_id       uuid NOT NULL,
    plan_version_id uuid NOT NULL,
    offering_id     uuid NOT NULL,
    number          integer NOT NULL CHECK (number > 0),
    digest          text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    valid_from      timestamptz NOT NULL,
    valid_to        timestamptz CHECK (valid_to > valid_from),
    document        jsonb NOT NULL,
    published_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, plan_version_id),
    FOREIGN KEY (tenant_id, offering_id) REFERENCES catalog.offering (tenant_id, offering_id),
    UNIQUE (tenant_id, offering_id, number),
    UNIQUE (tenant_id, offering_id, digest),
    UNIQUE (tenant_id, offering_id, valid_from)
);
SELECT base.tenant_table('catalog', 'price_plan', append_only => true);
