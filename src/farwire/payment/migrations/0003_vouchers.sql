-- Vouchers: codes are never kept, only their HMAC under a key of the tenant.
CREATE TABLE payment.voucher_key (
    tenant_id   uuid NOT NULL,
    key         bytea NOT NULL CHECK (length(key) = 32),
    -- The last serial number that was given: numbers are never given twice.
    last_serial bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id)
);
SELECT base.tenant_table('payment', 'voucher_key');

CREATE TABLE payment.voucher_batch (
    tenant_id       uuid NOT NULL,
    batch_id        uuid NOT NULL,
    key             text NOT NULL,
    legal_entity_id uuid NOT NULL,
    quantity        integer NOT NULL CHECK (quantity > 0),
    first_serial    bigint NOT NULL CHECK (first_serial > 0),
    currency        text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    value_minor     bigint NOT NULL CHECK (value_minor > 0),
    valid_from      timestamptz NOT NULL,
    valid_until     timestamptz NOT NULL CHECK (valid_until > valid_from),
    alphabet        text NOT NULL CHECK (alphabet IN ('digits', 'letters')),
    length          smallint NOT NULL,
    extra           text NOT NULL,
    -- SHA-256 of the print file: it proves that a file which was left behind by a crash is whole.
    digest          bytea NOT NULL CHECK (length(digest) = 32),
    created_kind    text NOT NULL,
    created_by      text NOT NULL,
    created_at      timestamptz NOT NULL,
    printed_at      timestamptz,
    PRIMARY KEY (tenant_id, batch_id),
    CONSTRAINT voucher_batch_key UNIQUE (tenant_id, key),
    UNIQUE (tenant_id, first_serial)
);
SELECT base.tenant_table('payment', 'voucher_batch');

CREATE TABLE payment.voucher_sale (
    tenant_id       uuid NOT NULL,
    sale_id         uuid NOT NULL,
    batch_id        uuid NOT NULL,
    legal_entity_id uuid NOT NULL,
    first_serial    bigint NOT NULL,
    last_serial     bigint NOT NULL,
    quantity        integer NOT NULL CHECK (quantity > 0),
    currency        text NOT NULL,
    value_minor     bigint NOT NULL CHECK (value_minor > 0),
    price_minor     bigint NOT NULL CHECK (price_minor BETWEEN 0 AND value_minor),
    account_id      uuid,
    method          text,
    due_days        smallint NOT NULL,
    sold_at         timestamptz NOT NULL,
    sold_kind       text NOT NULL,
    sold_by         text NOT NULL,
    PRIMARY KEY (tenant_id, sale_id),
    FOREIGN KEY (tenant_id, batch_id) REFERENCES payment.voucher_batch (tenant_id, batch_id),
    CHECK ((account_id IS NULL) <> (method IS NULL))
);
CREATE INDEX voucher_sale_by_batch ON payment.voucher_sale (tenant_id, batch_id);
SELECT base.tenant_table('payment', 'voucher_sale', append_only => true);

CREATE TABLE payment.voucher (
    tenant_id    uuid NOT NULL,
    serial       bigint NOT NULL,
    batch_id     uuid NOT NULL,
    code_hash    bytea NOT NULL CHECK (length(code_hash) = 32),
    state        text NOT NULL CHECK (state IN ('generated', 'active', 'used', 'blocked', 'expired', 'cancelled')),
    -- When it was sold: from then on it is a debt to whoever holds it.
    activated_at timestamptz,
    sale_id      uuid,
    changed_at   timestamptz NOT NULL,
    reason       text NOT NULL DEFAULT '',
    PRIMARY KEY (tenant_id, serial),
    CONSTRAINT voucher_code UNIQUE (tenant_id, code_hash),
    FOREIGN KEY (tenant_id, batch_id) REFERENCES payment.voucher_batch (tenant_id, batch_id),
    CHECK ((activated_at IS NULL) = (sale_id IS NULL)),
    CONSTRAINT voucher_sold CHECK (
        CASE WHEN state IN ('active', 'used') THEN activated_at IS NOT NULL
             WHEN state IN ('generated', 'cancelled') THEN activated_at IS NULL
             ELSE true END)
);
CREATE INDEX voucher_by_batch ON payment.voucher (tenant_id, batch_id, state);
SELECT base.tenant_table('payment', 'voucher');

-- What charging owes a subscriber for a voucher, once per voucher.
CREATE TABLE payment.credit_order (
    tenant_id       uuid NOT NULL,
    credit_order_id uuid NOT NULL,
    client          text NOT NULL,
    key             text NOT NULL,
    subscriber      text NOT NULL,
    account_id      uuid,
    serial          bigint NOT NULL,
    batch_id        uuid NOT NULL,
    legal_entity_id uuid NOT NULL,
    currency        text NOT NULL,
    value_minor     bigint NOT NULL CHECK (value_minor > 0),
    extra           text NOT NULL,
    redeemed_at     timestamptz NOT NULL,
    credited_at     timestamptz,
    PRIMARY KEY (tenant_id, credit_order_id),
    CONSTRAINT credit_order_key UNIQUE (tenant_id, client, key),
    CONSTRAINT credit_order_voucher UNIQUE (tenant_id, serial),
    FOREIGN KEY (tenant_id, serial) REFERENCES payment.voucher (tenant_id, serial)
);
CREATE INDEX credit_order_waiting ON payment.credit_order (tenant_id, redeemed_at) WHERE credited_at IS NULL;
CREATE INDEX credit_order_by_subscriber ON payment.credit_order (tenant_id, subscriber, redeemed_at);
SELECT base.tenant_table('payment', 'credit_order');

-- Failures and locks of a subscriber; the one without a name counts the whole tenant.
CREATE TABLE payment.voucher_guard (
    tenant_id    uuid NOT NULL,
    subscriber   text NOT NULL,
    failures     integer NOT NULL,
    since        timestamptz NOT NULL,
    locked_until timestamptz,
    PRIMARY KEY (tenant_id, subscriber)
);
SELECT base.tenant_table('payment', 'voucher_guard');

-- Tries that failed, for some days. The hash tells a repeated request from another one under its key.
CREATE TABLE payment.voucher_attempt (
    tenant_id  uuid NOT NULL,
    attempt_id uuid NOT NULL,
    client     text NOT NULL,
    key        text NOT NULL,
    subscriber text NOT NULL,
    account_id uuid,
    code_hash  bytea NOT NULL,
    at         timestamptz NOT NULL,
    outcome    text NOT NULL,
    serial     bigint,
    retry_at   timestamptz,
    PRIMARY KEY (tenant_id, attempt_id),
    CONSTRAINT voucher_attempt_key UNIQUE (tenant_id, client, key)
);
CREATE INDEX voucher_attempt_by_time ON payment.voucher_attempt (tenant_id, at);
CREATE INDEX voucher_attempt_by_subscriber ON payment.voucher_attempt (tenant_id, subscriber, at);
SELECT base.tenant_table('payment', 'voucher_attempt');

-- A dealer owes what vouchers were sold for.
ALTER TABLE payment.open_item
    DROP CONSTRAINT open_item_kind_check,
    ADD CONSTRAINT open_item_kind_check CHECK (kind IN ('bill', 'credit_note', 'voucher_sale', 'debt'));

SELECT base.control_total('payment.vouchers', $$
    SELECT b.currency || ' ' || v.state, count(*) || ' vouchers, ' || sum(b.value_minor) || ' minor'
      FROM payment.voucher v JOIN payment.voucher_batch b USING (tenant_id, batch_id) GROUP BY b.currency, v.state$$);
SELECT base.control_total('payment.credit_orders', $$
    SELECT currency, count(*) || ' orders, ' || sum(value_minor) || ' minor, ' || count(credited_at) || ' credited'
      FROM payment.credit_order GROUP BY currency$$);
