-- The whole life of an offering. What was active or retired stays so.
ALTER TABLE catalog.offering DROP CONSTRAINT offering_lifecycle_check;
ALTER TABLE catalog.offering ADD CONSTRAINT offering_lifecycle_check CHECK (lifecycle IN (
    'in_study', 'in_design', 'in_test', 'active', 'launched', 'retired', 'obsolete', 'rejected'));

CREATE TABLE catalog.specification (
    tenant_id        uuid NOT NULL,
    specification_id uuid NOT NULL,
    kind             text NOT NULL
        CHECK (kind IN ('resource_specification', 'service_specification', 'product_specification')),
    code             text NOT NULL CHECK (code ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
    name             text NOT NULL,
    lifecycle        text NOT NULL CHECK (lifecycle IN (
        'in_study', 'in_design', 'in_test', 'active', 'launched', 'retired', 'obsolete', 'rejected')),
    created_at       timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, specification_id),
    UNIQUE (tenant_id, kind, code)
);
SELECT base.tenant_table('catalog', 'specification');

-- A catalogue file that was published: which versions came into being together.
CREATE TABLE catalog.publication (
    tenant_id      uuid NOT NULL,
    publication_id uuid NOT NULL,
    digest         text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    name           text NOT NULL,
    items          jsonb NOT NULL,
    published_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, publication_id)
);
CREATE INDEX publication_time ON catalog.publication (tenant_id, published_at DESC);
SELECT base.tenant_table('catalog', 'publication', append_only => true);

-- Published versions never change: the application may add rows, not touch them.
CREATE TABLE catalog.specification_version (
    tenant_id        uuid NOT NULL,
    specification_id uuid NOT NULL,
    number           integer NOT NULL CHECK (number > 0),
    publication_id   uuid NOT NULL,
    digest           text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    valid_from       timestamptz NOT NULL,
    document         jsonb NOT NULL,
    published_at     timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, specification_id, number),
    FOREIGN KEY (tenant_id, specification_id) REFERENCES catalog.specification (tenant_id, specification_id),
    FOREIGN KEY (tenant_id, publication_id) REFERENCES catalog.publication (tenant_id, publication_id),
    UNIQUE (tenant_id, specification_id, digest),
    UNIQUE (tenant_id, specification_id, valid_from)
);
SELECT base.tenant_table('catalog', 'specification_version', append_only => true);

-- Eligibility and product specification stand beside the document, so that "what is sold to whom" is one statement.
CREATE TABLE catalog.offering_version (
    tenant_id      uuid NOT NULL,
    offering_id    uuid NOT NULL,
    number         integer NOT NULL CHECK (number > 0),
    publication_id uuid NOT NULL,
    digest         text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    valid_from     timestamptz NOT NULL,
    valid_to       timestamptz CHECK (valid_to > valid_from),
    regions        text[] NOT NULL,
    segments       text[] NOT NULL,
    channels       text[] NOT NULL,
    specification  text,
    document       jsonb NOT NULL,
    published_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, offering_id, number),
    FOREIGN KEY (tenant_id, offering_id) REFERENCES catalog.offering (tenant_id, offering_id),
    FOREIGN KEY (tenant_id, publication_id) REFERENCES catalog.publication (tenant_id, publication_id),
    UNIQUE (tenant_id, offering_id, digest),
    UNIQUE (tenant_id, offering_id, valid_from)
);
SELECT base.tenant_table('catalog', 'offering_version', append_only => true);
