-- Who stands above an account, how its bills travel, what changed when, and who pays which part.
ALTER TABLE account.account
    ADD COLUMN parent_id      uuid,
    ADD COLUMN delivery       text NOT NULL DEFAULT 'email'
        CONSTRAINT account_delivery CHECK (delivery IN ('email', 'post', 'portal', 'none')),
    ADD COLUMN purchase_order text NOT NULL DEFAULT '',
    -- What held before region, tax_class, purchase_order: the oldest first, each with the end of its time.
    ADD COLUMN former         jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN version        integer NOT NULL DEFAULT 1 CONSTRAINT account_version CHECK (version >= 1),
    ADD CONSTRAINT account_parent FOREIGN KEY (tenant_id, parent_id)
        REFERENCES account.account (tenant_id, account_id),
    ADD CONSTRAINT account_own_parent CHECK (parent_id <> account_id),
    ADD CONSTRAINT account_closed CHECK ((state = 'closed') = (closed_at IS NOT NULL));
CREATE INDEX account_by_parent ON account.account (tenant_id, parent_id) WHERE parent_id IS NOT NULL;

-- Of the charges of some kinds of an account, another account pays a part. Closed or followed by others, never removed.
CREATE TABLE account.charge_route (
    tenant_id        uuid NOT NULL,
    account_id       uuid NOT NULL,
    payer_account_id uuid NOT NULL CHECK (payer_account_id <> account_id),
    valid_from       timestamptz NOT NULL,
    valid_to         timestamptz CHECK (valid_to > valid_from),
    kinds            text[] NOT NULL CHECK (cardinality(kinds) > 0),
    percent          numeric(5, 2) NOT NULL CHECK (percent > 0 AND percent <= 100),
    PRIMARY KEY (tenant_id, account_id, payer_account_id, valid_from),
    FOREIGN KEY (tenant_id, account_id) REFERENCES account.account (tenant_id, account_id),
    FOREIGN KEY (tenant_id, payer_account_id) REFERENCES account.account (tenant_id, account_id)
);
CREATE INDEX charge_route_to ON account.charge_route (tenant_id, payer_account_id);
SELECT base.tenant_table('account', 'charge_route');
