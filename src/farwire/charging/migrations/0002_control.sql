-- The control plane of online charging: what the shards' numbers mean, and who stands behind an account.

-- Shards name a tenant by a number. Whoever reads what a shard says must find the tenant first.
CREATE TABLE charging.tenant (
    tenant_id uuid PRIMARY KEY,
    number    bigint GENERATED ALWAYS AS IDENTITY UNIQUE
);
SELECT base.untenanted_table('charging', 'tenant', 'a shard names tenants by number: looked up before a tenant is known',
    append_only => true);

-- What the operator wrote. A version never changes; who has a plan or an offer keeps the version that he got.
CREATE TABLE charging.terms (
    tenant_id uuid NOT NULL,
    kind      text NOT NULL CHECK (kind IN ('plan', 'offer')),
    offering  text NOT NULL CHECK (offering ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
    version   integer NOT NULL CHECK (version > 0),
    digest    text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    document  jsonb NOT NULL,
    set_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, kind, offering, version)
);
SELECT base.tenant_table('charging', 'terms', append_only => true);

-- One version of a price plan under one version of terms. Numbers are of all tenants: a state names no tenant beside them.
-- 19 bits of a price's number are the plan's.
CREATE TABLE charging.plan (
    tenant_id       uuid NOT NULL,
    number          bigint GENERATED ALWAYS AS IDENTITY (MAXVALUE 524287),
    kind            text NOT NULL DEFAULT 'plan' CHECK (kind = 'plan'),
    offering        text NOT NULL,
    plan_version_id uuid NOT NULL,
    version         integer NOT NULL,
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, number),
    UNIQUE (tenant_id, offering, plan_version_id, version),
    FOREIGN KEY (tenant_id, kind, offering, version) REFERENCES charging.terms (tenant_id, kind, offering, version)
);
COMMENT ON COLUMN charging.plan.version IS 'of its terms';
SELECT base.tenant_table('charging', 'plan', append_only => true);

CREATE TABLE charging.offer (
    tenant_id       uuid NOT NULL,
    number          bigint GENERATED ALWAYS AS IDENTITY,
    kind            text NOT NULL DEFAULT 'offer' CHECK (kind = 'offer'),
    offering        text NOT NULL,
    plan_version_id uuid NOT NULL,
    version         integer NOT NULL,
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, number),
    UNIQUE (tenant_id, offering, plan_version_id, version),
    FOREIGN KEY (tenant_id, kind, offering, version) REFERENCES charging.terms (tenant_id, kind, offering, version)
);
COMMENT ON COLUMN charging.offer.version IS 'of its terms';
SELECT base.tenant_table('charging', 'offer', append_only => true);

-- The low 12 bits of an account's number are its virtual shard.
CREATE TABLE charging.account (
    tenant_id    uuid NOT NULL,
    serial       bigint GENERATED ALWAYS AS IDENTITY,
    vshard       integer NOT NULL CHECK (vshard BETWEEN 0 AND 4095),
    number       bigint NOT NULL GENERATED ALWAYS AS (serial * 4096 + vshard) STORED,
    key          text NOT NULL CHECK (key <> ''),
    plan         bigint NOT NULL,
    currency     text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    cycle_day    integer NOT NULL CHECK (cycle_day BETWEEN 1 AND 31),
    credit_limit bigint NOT NULL CHECK (credit_limit >= 0),
    postpaid     boolean NOT NULL,
    account_id   uuid,
    product_id   uuid,
    opened_at    timestamptz NOT NULL,
    live_at      timestamptz,
    PRIMARY KEY (tenant_id, number),
    UNIQUE (tenant_id, key),
    FOREIGN KEY (tenant_id, plan) REFERENCES charging.plan (tenant_id, number)
);
COMMENT ON COLUMN charging.account.credit_limit IS 'nano-units of the currency';
COMMENT ON COLUMN charging.account.live_at IS 'when its shard said that it has it; null: it is told again';
CREATE INDEX account_not_live ON charging.account (tenant_id, number) WHERE live_at IS NULL;
CREATE INDEX account_by_billing ON charging.account (tenant_id, account_id) WHERE account_id IS NOT NULL;
CREATE INDEX account_by_product ON charging.account (tenant_id, product_id) WHERE product_id IS NOT NULL;
SELECT base.tenant_table('charging', 'account');

-- Who it is, apart from what is charged, so that it can be erased alone.
CREATE TABLE charging.identity (
    tenant_id uuid NOT NULL,
    kind      text NOT NULL CHECK (kind IN ('msisdn', 'imsi', 'nai', 'sip', 'name')),
    value     text NOT NULL CHECK (value <> '' AND length(value) <= 255),
    number    bigint NOT NULL,
    PRIMARY KEY (tenant_id, kind, value),
    FOREIGN KEY (tenant_id, number) REFERENCES charging.account (tenant_id, number)
);
CREATE INDEX identity_of_account ON charging.identity (tenant_id, number);
SELECT base.tenant_table('charging', 'identity');
