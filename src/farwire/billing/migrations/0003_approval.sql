-- A run is rate → draft → check → approve → issue. 'running' is what a run begun by an earlier version says.
ALTER TABLE billing.run DROP CONSTRAINT run_state_check;
ALTER TABLE billing.run
    ADD CONSTRAINT run_state_check CHECK (state IN ('running', 'rating', 'drafting', 'checking', 'awaiting_approval',
        'approved', 'issuing', 'discarding', 'completed', 'cancelled', 'rejected')),
    ADD COLUMN approval   text NOT NULL DEFAULT 'none' CHECK (approval IN ('four_eyes', 'none')),
    ADD COLUMN account_id uuid,
    ADD COLUMN cycle_day  smallint CHECK (cycle_day BETWEEN 1 AND 31),
    ADD COLUMN thresholds jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN started_by text NOT NULL DEFAULT 'system:farwire',
    ADD COLUMN decided_by text,
    ADD COLUMN decided_at timestamptz,
    ADD COLUMN reason     text NOT NULL DEFAULT '',
    -- What a run that gives its drafts up will be, once the last of them is gone.
    ADD COLUMN ends_as    text CHECK (ends_as IN ('cancelled', 'rejected')),
    ADD CHECK ((state = 'discarding') <= (ends_as IS NOT NULL));
DROP INDEX billing.run_unfinished;
CREATE UNIQUE INDEX run_unfinished ON billing.run (tenant_id, until, account_id, cycle_day)
    NULLS NOT DISTINCT WHERE finished_at IS NULL;

-- Who must approve: the nil id stands for the whole operator, any other for one of its companies.
CREATE TABLE billing.policy (
    tenant_id       uuid NOT NULL,
    legal_entity_id uuid NOT NULL,
    approval        text NOT NULL CHECK (approval IN ('four_eyes', 'none')),
    set_by          text NOT NULL,
    set_at          timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, legal_entity_id)
);
SELECT base.tenant_table('billing', 'policy');

-- A credit note is a bill with negative amounts that names the bill it corrects. It belongs to no run.
ALTER TABLE billing.bill
    ALTER COLUMN run_id DROP NOT NULL,
    ADD COLUMN kind           text NOT NULL DEFAULT 'bill' CHECK (kind IN ('bill', 'credit_note')),
    ADD COLUMN purchase_order text NOT NULL DEFAULT '',
    ADD COLUMN delivery       text NOT NULL DEFAULT '',
    ADD COLUMN parent_id      uuid,
    ADD COLUMN corrects_id    uuid,
    ADD COLUMN corrects       jsonb,
    ADD FOREIGN KEY (tenant_id, corrects_id) REFERENCES billing.bill (tenant_id, bill_id),
    ADD CHECK ((kind = 'bill') = (run_id IS NOT NULL)),
    ADD CHECK ((kind = 'credit_note') = (corrects_id IS NOT NULL AND corrects IS NOT NULL)),
    DROP CONSTRAINT bill_tenant_id_account_id_cycle_end_key,
    DROP CONSTRAINT bill_tenant_id_legal_entity_id_fiscal_year_sequence_key,
    ADD UNIQUE (tenant_id, legal_entity_id, fiscal_year, kind, sequence);
-- One bill per account and cycle, but any number of credit notes: one index finds all of them.
CREATE UNIQUE INDEX bill_of_cycle ON billing.bill
    (tenant_id, account_id, cycle_end, (CASE kind WHEN 'bill' THEN tenant_id ELSE bill_id END));
CREATE INDEX bill_corrects ON billing.bill (tenant_id, corrects_id) WHERE corrects_id IS NOT NULL;
DROP INDEX billing.bill_draft;
CREATE INDEX bill_draft ON billing.bill (tenant_id, run_id, cycle_end, account_number) WHERE state = 'draft';

ALTER TABLE billing.number_series
    ADD COLUMN kind text NOT NULL DEFAULT 'bill' CHECK (kind IN ('bill', 'credit_note')),
    DROP CONSTRAINT number_series_pkey,
    ADD PRIMARY KEY (tenant_id, legal_entity_id, fiscal_year, kind);

-- A credit stands on a bill without a product or a price; taxes names the rows of billing.tax that a line bears.
ALTER TABLE billing.line
    ALTER COLUMN product_id DROP NOT NULL,
    ALTER COLUMN plan_version_id DROP NOT NULL,
    ADD COLUMN taxes smallint[] NOT NULL DEFAULT '{}',
    DROP CONSTRAINT line_kind_check,
    ADD CONSTRAINT line_kind_check CHECK (kind IN ('recurring', 'one_off', 'usage', 'credit')),
    ADD CHECK (kind = 'credit' OR (product_id IS NOT NULL AND plan_version_id IS NOT NULL));

-- Drafts may be given up, with their lines and taxes; what is issued stays.
CREATE FUNCTION billing.keep_parts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM billing.bill
               WHERE tenant_id = OLD.tenant_id AND bill_id = OLD.bill_id AND state = 'issued') THEN
        RAISE EXCEPTION 'the bill of this row is issued: it is never changed'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER line_issued_is_final BEFORE DELETE ON billing.line
    FOR EACH ROW EXECUTE FUNCTION billing.keep_parts();
CREATE TRIGGER tax_issued_is_final BEFORE DELETE ON billing.tax
    FOR EACH ROW EXECUTE FUNCTION billing.keep_parts();
GRANT DELETE ON billing.line, billing.tax TO farwire_app;

ALTER TABLE billing.journal
    DROP CONSTRAINT journal_outcome_check,
    ADD CONSTRAINT journal_outcome_check CHECK (outcome IN ('billed', 'empty', 'failed', 'discarded'));

-- What billing.charged said of a product and a payer before a draft moved it; kept until the draft is issued.
CREATE TABLE billing.charged_before (
    tenant_id  uuid NOT NULL,
    account_id uuid NOT NULL,
    cycle_end  timestamptz NOT NULL,
    product_id uuid NOT NULL,
    payer_id   uuid NOT NULL,
    charged    jsonb NOT NULL,
    PRIMARY KEY (tenant_id, account_id, cycle_end, product_id)
);
SELECT base.tenant_table('billing', 'charged_before');

CREATE TABLE billing.finding (
    tenant_id  uuid NOT NULL,
    run_id     uuid NOT NULL,
    bill_id    uuid NOT NULL,
    code       text NOT NULL,
    account_id uuid NOT NULL,
    cycle_end  timestamptz NOT NULL,
    severity   text NOT NULL CHECK (severity IN ('error', 'warning')),
    message    text NOT NULL,
    PRIMARY KEY (tenant_id, run_id, bill_id, code),
    FOREIGN KEY (tenant_id, run_id) REFERENCES billing.run (tenant_id, run_id)
);
SELECT base.tenant_table('billing', 'finding');

CREATE TABLE billing.hold (
    tenant_id   uuid NOT NULL,
    account_id  uuid NOT NULL,
    held_at     timestamptz NOT NULL,
    until       timestamptz CHECK (until > held_at),
    reason      text NOT NULL,
    held_by     text NOT NULL,
    released_at timestamptz,
    released_by text,
    PRIMARY KEY (tenant_id, account_id, held_at),
    CHECK ((released_at IS NULL) = (released_by IS NULL))
);
CREATE UNIQUE INDEX hold_standing ON billing.hold (tenant_id, account_id) WHERE released_at IS NULL;
SELECT base.tenant_table('billing', 'hold');

-- An amount before tax that the next bills give back. What they have given is in credit_use.
CREATE TABLE billing.credit (
    tenant_id    uuid NOT NULL,
    credit_id    uuid NOT NULL,
    account_id   uuid NOT NULL,
    product_id   uuid,
    currency     text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    net_minor    bigint NOT NULL CHECK (net_minor > 0),
    reason       text NOT NULL,
    label        text NOT NULL,
    tax_category text NOT NULL,
    key          text NOT NULL,
    state        text NOT NULL CHECK (state IN ('requested', 'approved', 'rejected', 'applied')),
    requested_by text NOT NULL,
    requested_at timestamptz NOT NULL,
    decided_by   text,
    decided_at   timestamptz,
    PRIMARY KEY (tenant_id, credit_id),
    UNIQUE (tenant_id, key),
    CHECK ((state = 'requested') = (decided_by IS NULL)),
    CHECK ((decided_by IS NULL) = (decided_at IS NULL))
);
CREATE INDEX credit_open ON billing.credit (tenant_id, account_id) WHERE state = 'approved';
CREATE INDEX credit_by_account ON billing.credit (tenant_id, account_id, requested_at);
SELECT base.tenant_table('billing', 'credit');

CREATE TABLE billing.credit_use (
    tenant_id uuid NOT NULL,
    bill_id   uuid NOT NULL,
    credit_id uuid NOT NULL,
    net_minor bigint NOT NULL CHECK (net_minor > 0),
    PRIMARY KEY (tenant_id, bill_id, credit_id),
    FOREIGN KEY (tenant_id, bill_id) REFERENCES billing.bill (tenant_id, bill_id),
    FOREIGN KEY (tenant_id, credit_id) REFERENCES billing.credit (tenant_id, credit_id)
);
CREATE INDEX credit_use_of_credit ON billing.credit_use (tenant_id, credit_id);
SELECT base.tenant_table('billing', 'credit_use');

-- Who asked for a credit note and who decided. note_id is the id of its bill, which a rejected one no longer has.
CREATE TABLE billing.credit_note (
    tenant_id    uuid NOT NULL,
    note_id      uuid NOT NULL,
    bill_id      uuid NOT NULL,
    key          text NOT NULL,
    state        text NOT NULL CHECK (state IN ('requested', 'issued', 'rejected')),
    requested_by text NOT NULL,
    requested_at timestamptz NOT NULL,
    decided_by   text,
    decided_at   timestamptz,
    PRIMARY KEY (tenant_id, note_id),
    UNIQUE (tenant_id, key),
    FOREIGN KEY (tenant_id, bill_id) REFERENCES billing.bill (tenant_id, bill_id),
    CHECK ((state = 'requested') = (decided_by IS NULL)),
    CHECK ((decided_by IS NULL) = (decided_at IS NULL))
);
CREATE INDEX credit_note_of_bill ON billing.credit_note (tenant_id, bill_id);
SELECT base.tenant_table('billing', 'credit_note');

SELECT base.control_total('billing.credits', $$
    SELECT currency || ' ' || state, count(*) || ' credits, ' || sum(net_minor) || ' minor'
      FROM billing.credit GROUP BY currency, state$$);
