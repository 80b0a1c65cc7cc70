CREATE TABLE payment.open_item (
    tenant_id       uuid NOT NULL,
    open_item_id    uuid NOT NULL,
    account_id      uuid NOT NULL,
    legal_entity_id uuid NOT NULL,
    kind            text NOT NULL CHECK (kind IN ('bill', 'credit_note')),
    document_id     uuid NOT NULL,
    number          text NOT NULL,
    issued_on       date NOT NULL,
    due_on          date NOT NULL,
    currency        text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    amount_minor    bigint NOT NULL CHECK (amount_minor <> 0),
    -- What is left: of the same sign as the amount, never more than it.
    open_minor      bigint NOT NULL,
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, open_item_id),
    UNIQUE (tenant_id, kind, document_id),
    CONSTRAINT open_item_bounds CHECK (open_minor BETWEEN least(amount_minor, 0) AND greatest(amount_minor, 0))
);
CREATE INDEX open_item_open ON payment.open_item (tenant_id, account_id, due_on) WHERE open_minor <> 0;
CREATE INDEX open_item_by_account ON payment.open_item (tenant_id, account_id, issued_on);
CREATE INDEX open_item_by_number ON payment.open_item (tenant_id, number);
SELECT base.tenant_table('payment', 'open_item');

CREATE TABLE payment.payment (
    tenant_id          uuid NOT NULL,
    payment_id         uuid NOT NULL,
    account_id         uuid,
    legal_entity_id    uuid NOT NULL,
    method             text NOT NULL
        CHECK (method IN ('card', 'mobile_money', 'bank_transfer', 'cash', 'direct_debit')),
    external_reference text NOT NULL CHECK (external_reference <> ''),
    reference          text NOT NULL,
    currency           text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    amount_minor       bigint NOT NULL CHECK (amount_minor > 0),
    left_minor         bigint NOT NULL,
    state              text NOT NULL CHECK (state IN ('unmatched', 'done', 'reversed')),
    reason             text NOT NULL,
    received_at        timestamptz NOT NULL,
    recorded_at        timestamptz NOT NULL,
    booked_on          date NOT NULL,
    PRIMARY KEY (tenant_id, payment_id),
    -- What the outside world names is one payment, however often it is told.
    UNIQUE (tenant_id, method, external_reference),
    CONSTRAINT payment_bounds CHECK (left_minor BETWEEN 0 AND amount_minor),
    CHECK ((state = 'unmatched') <= (account_id IS NULL)),
    CHECK ((state = 'done') <= (account_id IS NOT NULL)),
    CHECK (state <> 'reversed' OR left_minor = 0)
);
CREATE INDEX payment_by_account ON payment.payment (tenant_id, account_id, received_at);
CREATE INDEX payment_left ON payment.payment (tenant_id, account_id, received_at) WHERE left_minor > 0;
CREATE INDEX payment_by_time ON payment.payment (tenant_id, received_at, payment_id);
SELECT base.tenant_table('payment', 'payment');

-- Credit put against a bill. Taken back by a row with the negative amount, never by an update.
CREATE TABLE payment.allocation (
    tenant_id     uuid NOT NULL,
    allocation_id uuid NOT NULL,
    credit_kind   text NOT NULL CHECK (credit_kind IN ('payment', 'credit_note')),
    credit_id     uuid NOT NULL,
    open_item_id  uuid NOT NULL,
    account_id    uuid NOT NULL,
    currency      text NOT NULL,
    amount_minor  bigint NOT NULL CHECK (amount_minor <> 0),
    allocated_on  date NOT NULL,
    recorded_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, allocation_id),
    FOREIGN KEY (tenant_id, open_item_id) REFERENCES payment.open_item (tenant_id, open_item_id)
);
CREATE INDEX allocation_by_item ON payment.allocation (tenant_id, open_item_id);
CREATE INDEX allocation_by_credit ON payment.allocation (tenant_id, credit_id);
SELECT base.tenant_table('payment', 'allocation', append_only => true);

CREATE TABLE payment.refund (
    tenant_id          uuid NOT NULL,
    refund_id          uuid NOT NULL,
    account_id         uuid NOT NULL,
    legal_entity_id    uuid NOT NULL,
    payment_id         uuid,
    open_item_id       uuid,
    method             text NOT NULL,
    currency           text NOT NULL,
    amount_minor       bigint NOT NULL CHECK (amount_minor > 0),
    reason             text NOT NULL,
    state              text NOT NULL CHECK (state IN ('requested', 'paid', 'denied')),
    requested_kind     text NOT NULL,
    requested_by       text NOT NULL,
    requested_at       timestamptz NOT NULL,
    decided_kind       text,
    decided_by         text,
    decided_at         timestamptz,
    external_reference text NOT NULL DEFAULT '',
    PRIMARY KEY (tenant_id, refund_id),
    FOREIGN KEY (tenant_id, payment_id) REFERENCES payment.payment (tenant_id, payment_id),
    FOREIGN KEY (tenant_id, open_item_id) REFERENCES payment.open_item (tenant_id, open_item_id),
    CHECK ((payment_id IS NULL) <> (open_item_id IS NULL)),
    CHECK ((state = 'requested') = (decided_at IS NULL)),
    CONSTRAINT refund_four_eyes
        CHECK (state <> 'paid' OR (requested_kind, requested_by) IS DISTINCT FROM (decided_kind, decided_by))
);
CREATE INDEX refund_by_payment ON payment.refund (tenant_id, payment_id);
CREATE INDEX refund_by_item ON payment.refund (tenant_id, open_item_id);
SELECT base.tenant_table('payment', 'refund');

CREATE TABLE payment.method (
    tenant_id  uuid NOT NULL,
    method_id  uuid NOT NULL,
    account_id uuid NOT NULL,
    kind       text NOT NULL,
    token      text NOT NULL,
    brand      text NOT NULL,
    last4      text NOT NULL CHECK (last4 ~ '^([0-9]{4})?$'),
    expires    date,
    preferred  boolean NOT NULL,
    added_at   timestamptz NOT NULL,
    removed_at timestamptz,
    PRIMARY KEY (tenant_id, method_id)
);
CREATE UNIQUE INDEX method_once ON payment.method (tenant_id, account_id, kind, token) WHERE removed_at IS NULL;
CREATE UNIQUE INDEX method_preferred ON payment.method (tenant_id, account_id) WHERE preferred AND removed_at IS NULL;
SELECT base.tenant_table('payment', 'method');

-- Money that we asked a gateway for. The gateway repeats the key when it tells how it went.
CREATE TABLE payment.charge (
    tenant_id    uuid NOT NULL,
    charge_id    uuid NOT NULL,
    account_id   uuid NOT NULL,
    method       text NOT NULL,
    token        text NOT NULL,
    key          text NOT NULL,
    reference    text NOT NULL,
    currency     text NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    state        text NOT NULL CHECK (state IN ('pendingAuthorization', 'done', 'denied', 'failed')),
    reason       text NOT NULL,
    created_at   timestamptz NOT NULL,
    payment_id   uuid,
    PRIMARY KEY (tenant_id, charge_id),
    UNIQUE (tenant_id, method, key)
);
SELECT base.tenant_table('payment', 'charge');

-- What a gateway signs its notices with.
CREATE TABLE payment.gateway (
    tenant_id uuid NOT NULL,
    method    text NOT NULL,
    secret    bytea NOT NULL CHECK (length(secret) = 32),
    PRIMARY KEY (tenant_id, method)
);
SELECT base.tenant_table('payment', 'gateway');

-- The memory of the gateways that we play ourselves.
CREATE TABLE payment.simulated_charge (
    tenant_id       uuid NOT NULL,
    method          text NOT NULL,
    key             text NOT NULL,
    reference       text NOT NULL,
    token           text NOT NULL,
    account         text NOT NULL,
    currency        text NOT NULL,
    amount_minor    bigint NOT NULL CHECK (amount_minor > 0),
    captured_minor  bigint NOT NULL DEFAULT 0,
    refunded_minor  bigint NOT NULL DEFAULT 0,
    state           text NOT NULL CHECK (state IN ('waiting', 'authorised', 'captured', 'declined', 'refunded')),
    asked_at        timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, method, key),
    CHECK (captured_minor BETWEEN 0 AND amount_minor AND refunded_minor BETWEEN 0 AND captured_minor)
);
SELECT base.tenant_table('payment', 'simulated_charge');

CREATE TABLE payment.simulated_refund (
    tenant_id    uuid NOT NULL,
    key          text NOT NULL,
    reference    text NOT NULL,
    amount_minor bigint NOT NULL,
    PRIMARY KEY (tenant_id, key)
);
SELECT base.tenant_table('payment', 'simulated_refund', append_only => true);

-- A restore must find the same money.
SELECT base.control_total('payment.open_items', $$
    SELECT currency || ' ' || kind, count(*) || ' items, ' || sum(amount_minor) || ' minor, ' || sum(open_minor) || ' open'
      FROM payment.open_item GROUP BY currency, kind$$);
SELECT base.control_total('payment.payments', $$
    SELECT currency || ' ' || state, count(*) || ' payments, ' || sum(amount_minor) || ' minor, ' || sum(left_minor) || ' left'
      FROM payment.payment GROUP BY currency, state$$);
SELECT base.control_total('payment.allocations', $$
    SELECT currency, sum(amount_minor) || ' minor' FROM payment.allocation GROUP BY currency$$);
SELECT base.control_total('payment.refunds', $$
    SELECT currency || ' ' || state, sum(amount_minor) || ' minor' FROM payment.refund GROUP BY currency, state$$);
