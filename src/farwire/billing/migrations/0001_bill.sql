CREATE TABLE billing.run (
    tenant_id        uuid NOT NULL,
    run_id           uuid NOT NULL,
    until            timestamptz NOT NULL,
    issue_on         date NOT NULL,
    state            text NOT NULL CHECK (state IN ('running', 'completed', 'cancelled')),
    cancel_requested boolean NOT NULL DEFAULT false,
    started_at       timestamptz NOT NULL,
    finished_at      timestamptz,
    PRIMARY KEY (tenant_id, run_id)
);
-- An interrupted run is found again by its date; two of one date would fight over the issue date.
CREATE UNIQUE INDEX run_unfinished ON billing.run (tenant_id, until) WHERE state = 'running';
SELECT base.tenant_table('billing', 'run');

CREATE TABLE billing.bill (
    tenant_id       uuid NOT NULL,
    bill_id         uuid NOT NULL,
    account_id      uuid NOT NULL,
    account_number  text NOT NULL,
    legal_entity_id uuid NOT NULL,
    run_id          uuid NOT NULL,
    state           text NOT NULL CHECK (state IN ('draft', 'issued')),
    fiscal_year     integer NOT NULL,
    sequence        bigint CHECK (sequence > 0),
    number          text,
    cycle_start     timestamptz NOT NULL,
    cycle_end       timestamptz NOT NULL CHECK (cycle_end > cycle_start),
    issue_on        date NOT NULL,
    due_on          date NOT NULL CHECK (due_on >= issue_on),
    currency        text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    net_minor       bigint NOT NULL,
    tax_minor       bigint NOT NULL,
    total_minor     bigint NOT NULL CHECK (total_minor = net_minor + tax_minor),
    zone            text NOT NULL,
    language        text NOT NULL,
    seller          jsonb NOT NULL,
    customer        jsonb NOT NULL,
    drafted_at      timestamptz NOT NULL,
    issued_at       timestamptz,
    PRIMARY KEY (tenant_id, bill_id),
    UNIQUE (tenant_id, account_id, cycle_end),
    UNIQUE (tenant_id, number),
    UNIQUE (tenant_id, legal_entity_id, fiscal_year, sequence),
    FOREIGN KEY (tenant_id, run_id) REFERENCES billing.run (tenant_id, run_id),
    CHECK ((state = 'issued') = (number IS NOT NULL AND sequence IS NOT NULL AND issued_at IS NOT NULL))
);
CREATE INDEX bill_draft ON billing.bill (tenant_id, cycle_end, account_number) WHERE state = 'draft';
CREATE INDEX bill_by_run ON billing.bill (tenant_id, run_id);
SELECT base.tenant_table('billing', 'bill');

CREATE FUNCTION billing.keep_issued() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'bill % is issued: it is never changed', OLD.number USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER bill_issued_is_final BEFORE UPDATE OR DELETE ON billing.bill
    FOR EACH ROW WHEN (OLD.state = 'issued') EXECUTE FUNCTION billing.keep_issued();

CREATE TABLE billing.line (
    tenant_id       uuid NOT NULL,
    bill_id         uuid NOT NULL,
    number          integer NOT NULL CHECK (number > 0),
    kind            text NOT NULL CHECK (kind IN ('recurring', 'one_off', 'usage')),
    product_id      uuid NOT NULL,
    plan_version_id uuid NOT NULL,
    price_id        text NOT NULL,
    label           text NOT NULL,
    tax_category    text NOT NULL,
    includes_tax    boolean NOT NULL,
    period_start    timestamptz NOT NULL,
    period_end      timestamptz NOT NULL CHECK (period_end > period_start),
    quantity        numeric NOT NULL,
    unit            text NOT NULL,
    records         bigint NOT NULL CHECK (records >= 0),
    exact_nano      numeric NOT NULL,
    amount_minor    bigint NOT NULL,
    remainder_nano  bigint NOT NULL,
    net_minor       bigint NOT NULL,
    detail          jsonb NOT NULL,
    PRIMARY KEY (tenant_id, bill_id, number),
    FOREIGN KEY (tenant_id, bill_id) REFERENCES billing.bill (tenant_id, bill_id)
);
SELECT base.tenant_table('billing', 'line', append_only => true);

CREATE TABLE billing.tax (
    tenant_id    uuid NOT NULL,
    bill_id      uuid NOT NULL,
    number       smallint NOT NULL CHECK (number > 0),
    category     text NOT NULL,
    code         text NOT NULL,
    name         text NOT NULL,
    label        text NOT NULL,
    rate_percent numeric NOT NULL,
    base_minor   bigint NOT NULL,
    tax_minor    bigint NOT NULL,
    note         text NOT NULL,
    PRIMARY KEY (tenant_id, bill_id, number),
    FOREIGN KEY (tenant_id, bill_id) REFERENCES billing.bill (tenant_id, bill_id)
);
SELECT base.tenant_table('billing', 'tax', append_only => true);

-- One row per account and cycle: what the run did with it. A failed one is tried again by the next run.
CREATE TABLE billing.journal (
    tenant_id  uuid NOT NULL,
    account_id uuid NOT NULL,
    cycle_end  timestamptz NOT NULL,
    run_id     uuid NOT NULL,
    outcome    text NOT NULL CHECK (outcome IN ('billed', 'empty', 'failed')),
    code       text NOT NULL,
    message    text NOT NULL,
    booked_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, account_id, cycle_end),
    FOREIGN KEY (tenant_id, run_id) REFERENCES billing.run (tenant_id, run_id)
);
CREATE INDEX journal_by_run ON billing.journal (tenant_id, run_id, outcome);
SELECT base.tenant_table('billing', 'journal');

-- Up to when each price of each product is charged: what is due now less what was due then goes on the next bill.
-- plan_from tells the parts of a product's life on different plans apart. A one-off price has a row once it is charged.
CREATE TABLE billing.charged (
    tenant_id  uuid NOT NULL,
    product_id uuid NOT NULL,
    plan_from  timestamptz NOT NULL,
    price_id   text NOT NULL,
    charged_to timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, product_id, plan_from, price_id)
);
SELECT base.tenant_table('billing', 'charged');

CREATE TABLE billing.number_series (
    tenant_id       uuid NOT NULL,
    legal_entity_id uuid NOT NULL,
    fiscal_year     integer NOT NULL,
    last_number     bigint NOT NULL CHECK (last_number >= 0),
    PRIMARY KEY (tenant_id, legal_entity_id, fiscal_year)
);
SELECT base.tenant_table('billing', 'number_series');

-- A restore must find the same bills.
SELECT base.control_total('billing.bills', $$
    SELECT currency || ' ' || state, count(*) || ' bills, ' || sum(total_minor) || ' minor'
      FROM billing.bill GROUP BY currency, state$$);
