CREATE TABLE tenant.tenant (
    tenant_id    uuid PRIMARY KEY,
    name         text NOT NULL UNIQUE CHECK (name ~ '^[a-z][a-z0-9-]{0,39}$'),
    display_name text NOT NULL,
    country      text NOT NULL CHECK (country ~ '^[A-Z]{2}$'),
    zone         text NOT NULL,
    state        text NOT NULL CHECK (state IN ('active', 'closed')),
    created_at   timestamptz NOT NULL
);
SELECT base.untenanted_table('tenant', 'tenant', 'the registry of tenants itself: looked up before a tenant is known');

CREATE TABLE tenant.legal_entity (
    tenant_id           uuid NOT NULL REFERENCES tenant.tenant (tenant_id),
    legal_entity_id     uuid NOT NULL,
    name                text NOT NULL,
    vat_id              text NOT NULL,
    address             jsonb NOT NULL,
    country             text NOT NULL CHECK (country ~ '^[A-Z]{2}$'),
    currency            text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    zone                text NOT NULL,
    bank_account        text NOT NULL,
    number_prefix       text NOT NULL CHECK (number_prefix ~ '^[A-Z0-9]{1,12}$'),
    fiscal_year_start   smallint NOT NULL CHECK (fiscal_year_start BETWEEN 1 AND 12),
    payment_days        smallint NOT NULL CHECK (payment_days BETWEEN 0 AND 365),
    created_at          timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, legal_entity_id),
    UNIQUE (tenant_id, number_prefix)
);
SELECT base.tenant_table('tenant', 'legal_entity');

CREATE TABLE tenant.api_key (
    key_id       uuid PRIMARY KEY,
    tenant_id    uuid NOT NULL REFERENCES tenant.tenant (tenant_id),
    key_hash     bytea NOT NULL UNIQUE CHECK (length(key_hash) = 32),
    role         text NOT NULL,
    label        text NOT NULL,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz,
    revoked_at   timestamptz,
    last_used_on date
);
CREATE INDEX api_key_by_tenant ON tenant.api_key (tenant_id, key_id);
SELECT base.untenanted_table('tenant', 'api_key',
    'a request names its tenant only by the hash of its key; the store scopes every other query by tenant_id');
