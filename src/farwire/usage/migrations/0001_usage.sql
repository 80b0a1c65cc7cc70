-- Mediation: imports with their control totals, every row once, open sessions, suspense, usage records.

CREATE TABLE usage.import (
    tenant_id uuid NOT NULL,
    import_id uuid NOT NULL,
    file_name text NOT NULL,
    file_digest bytea NOT NULL CHECK (octet_length(file_digest) = 32),
    file_octets bigint NOT NULL,
    profile_name text NOT NULL,
    profile_version integer NOT NULL,
    profile_digest bytea NOT NULL CHECK (octet_length(profile_digest) = 32),
    generation integer NOT NULL,
    header text NOT NULL DEFAULT '',
    batch_rows integer NOT NULL CHECK (batch_rows > 0),
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    -- Why the file could not be read to its end; empty: it could.
    damage text NOT NULL DEFAULT '',
    -- Rows applied so far; a restart goes on after them.
    rows_in bigint NOT NULL DEFAULT 0,
    rows_assembled bigint NOT NULL DEFAULT 0 CHECK (rows_assembled >= 0),
    rows_filtered bigint NOT NULL DEFAULT 0 CHECK (rows_filtered >= 0),
    rows_duplicate bigint NOT NULL DEFAULT 0 CHECK (rows_duplicate >= 0),
    rows_suspended bigint NOT NULL DEFAULT 0 CHECK (rows_suspended >= 0),
    usages bigint NOT NULL DEFAULT 0,
    usages_received bigint NOT NULL DEFAULT 0 CHECK (usages_received >= 0),
    usages_rated bigint NOT NULL DEFAULT 0 CHECK (usages_rated >= 0),
    usages_unrated bigint NOT NULL DEFAULT 0 CHECK (usages_unrated >= 0),
    usages_duplicate bigint NOT NULL DEFAULT 0 CHECK (usages_duplicate >= 0),
    usages_suspended bigint NOT NULL DEFAULT 0 CHECK (usages_suspended >= 0),
    PRIMARY KEY (tenant_id, import_id),
    UNIQUE (tenant_id, file_digest, profile_digest, generation),
    CONSTRAINT rows_balance CHECK (rows_in = rows_assembled + rows_filtered + rows_duplicate + rows_suspended),
    CONSTRAINT usages_balance CHECK (
        usages = usages_received + usages_rated + usages_unrated + usages_duplicate + usages_suspended)
);
SELECT base.tenant_table('usage', 'import');

CREATE TABLE usage.total (
    tenant_id uuid NOT NULL,
    import_id uuid NOT NULL,
    stage text NOT NULL CHECK (stage IN ('row', 'usage')),
    outcome text NOT NULL,
    reason text NOT NULL,
    count bigint NOT NULL CHECK (count >= 0),
    PRIMARY KEY (tenant_id, import_id, stage, outcome, reason),
    FOREIGN KEY (tenant_id, import_id) REFERENCES usage.import
);
SELECT base.tenant_table('usage', 'total');

-- Every row that came in, once. The key is the exact-duplicate detection. This table, the duplicates and the records name
-- their import without a foreign key: imports are never deleted, and the checks would halve the rows per second.
CREATE TABLE usage.row (
    tenant_id uuid NOT NULL,
    identity bytea NOT NULL CHECK (octet_length(identity) = 16),
    import_id uuid NOT NULL,
    row_number bigint NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('assembled', 'filtered', 'suspended')),
    reason text NOT NULL,
    PRIMARY KEY (tenant_id, identity),
    CHECK ((outcome = 'assembled') = (reason = ''))
);
CREATE INDEX row_suspended ON usage.row (tenant_id, import_id, row_number) WHERE outcome = 'suspended';
SELECT base.tenant_table('usage', 'row');

CREATE TABLE usage.duplicate_row (
    tenant_id uuid NOT NULL,
    import_id uuid NOT NULL,
    row_number bigint NOT NULL,
    identity bytea NOT NULL,
    PRIMARY KEY (tenant_id, import_id, row_number)
);
SELECT base.tenant_table('usage', 'duplicate_row');

-- Rows that nobody understands yet, with what the file held. Personal data: see the retention in the README.
CREATE TABLE usage.suspended_row (
    tenant_id uuid NOT NULL,
    identity bytea NOT NULL,
    field text NOT NULL,
    value text NOT NULL,
    raw bytea NOT NULL,
    attempts integer NOT NULL CHECK (attempts > 0),
    suspended_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, identity),
    FOREIGN KEY (tenant_id, identity) REFERENCES usage.row ON UPDATE CASCADE
);
CREATE INDEX suspended_row_age ON usage.suspended_row (tenant_id, suspended_at);
SELECT base.tenant_table('usage', 'suspended_row');

CREATE TABLE usage.session (
    tenant_id uuid NOT NULL,
    session_key bytea NOT NULL CHECK (octet_length(session_key) = 16),
    rule text NOT NULL,
    -- When it closes without its end; NULL: never, or it is closed.
    close_at timestamptz,
    usage_id uuid,
    PRIMARY KEY (tenant_id, session_key)
);
CREATE INDEX session_close ON usage.session (tenant_id, close_at) WHERE close_at IS NOT NULL;
SELECT base.tenant_table('usage', 'session');

CREATE TABLE usage.fragment (
    tenant_id uuid NOT NULL,
    session_key bytea NOT NULL,
    identity bytea NOT NULL,
    body text NOT NULL,
    PRIMARY KEY (tenant_id, session_key, identity),
    FOREIGN KEY (tenant_id, session_key) REFERENCES usage.session,
    FOREIGN KEY (tenant_id, identity) REFERENCES usage.row
);
CREATE INDEX fragment_row ON usage.fragment (tenant_id, identity);
SELECT base.tenant_table('usage', 'fragment');

-- Usage, one row each. usage_id is derived from the usage's identity, so that the key is the duplicate detection.
CREATE TABLE usage.record (
    tenant_id uuid NOT NULL,
    usage_id uuid NOT NULL,
    import_id uuid NOT NULL,
    subscriber_key uuid NOT NULL,
    kind text NOT NULL,
    state text NOT NULL CHECK (state IN
        ('received', 'rated', 'rerated', 'billed', 'rejected', 'recycled', 'suspended')),
    reason text NOT NULL DEFAULT '',
    detail text NOT NULL DEFAULT '',
    attempts integer NOT NULL DEFAULT 0,
    started_at timestamptz NOT NULL,
    quantity bigint NOT NULL CHECK (quantity >= 0),
    destination text NOT NULL,
    direction text NOT NULL,
    visited_network text NOT NULL,
    rating_group bigint,
    external_charge_nano bigint,
    external_currency text NOT NULL,
    product_id uuid,
    plan_version_id uuid,
    charge_nano bigint,
    currency text NOT NULL DEFAULT '',
    price_id text NOT NULL DEFAULT '',
    label text NOT NULL DEFAULT '',
    billed_quantity bigint,
    tariff_version text NOT NULL DEFAULT '',
    explanation text NOT NULL DEFAULT '',
    rated_at timestamptz,
    changed_at timestamptz NOT NULL,
    bill_id uuid,
    PRIMARY KEY (tenant_id, usage_id),
    CHECK ((state IN ('rated', 'rerated', 'billed')) = (charge_nano IS NOT NULL)),
    CHECK (charge_nano IS NULL OR (product_id IS NOT NULL AND plan_version_id IS NOT NULL AND currency <> '')),
    CHECK ((state = 'billed') = (bill_id IS NOT NULL)),
    CHECK ((state IN ('rejected', 'suspended')) = (reason <> ''))
);
-- What a bill run takes, what is on a bill, and suspense. A rating writes every index that holds the record.
CREATE INDEX record_rated ON usage.record (tenant_id, product_id, started_at) WHERE state IN ('rated', 'rerated');
CREATE INDEX record_billed ON usage.record (tenant_id, bill_id, product_id, started_at)
    WHERE bill_id IS NOT NULL;
CREATE INDEX record_suspended ON usage.record (tenant_id, reason, started_at, usage_id) WHERE state = 'suspended';
SELECT base.tenant_table('usage', 'record');

-- The two queues of the rate run, each in the order in which it is worked off. A received or recycled usage is in
-- exactly one of them: it waits for its product, then for its price. The wide record is written once, with the charge.
CREATE TABLE usage.waiting (
    tenant_id uuid NOT NULL,
    subscriber_key uuid NOT NULL,
    started_at timestamptz NOT NULL,
    usage_id uuid NOT NULL,
    import_id uuid NOT NULL,
    quantity bigint NOT NULL,
    PRIMARY KEY (tenant_id, subscriber_key, started_at, usage_id)
);
SELECT base.tenant_table('usage', 'waiting');

CREATE TABLE usage.guided (
    tenant_id uuid NOT NULL,
    product_id uuid NOT NULL,
    started_at timestamptz NOT NULL,
    usage_id uuid NOT NULL,
    import_id uuid NOT NULL,
    plan_version_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, product_id, started_at, usage_id)
);
SELECT base.tenant_table('usage', 'guided');

CREATE TABLE usage.duplicate_usage (
    tenant_id uuid NOT NULL,
    import_id uuid NOT NULL,
    row_number bigint NOT NULL,
    usage_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, import_id, row_number)
);
SELECT base.tenant_table('usage', 'duplicate_usage');
