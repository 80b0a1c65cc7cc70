CREATE TABLE account.account (
    tenant_id       uuid NOT NULL,
    account_id      uuid NOT NULL,
    number          text NOT NULL CHECK (number <> ''),
    party_id        uuid NOT NULL,
    legal_entity_id uuid NOT NULL,
    currency        text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    cycle_day       smallint NOT NULL CHECK (cycle_day BETWEEN 1 AND 31),
    zone            text NOT NULL,
    language        text NOT NULL,
    tax_class       text NOT NULL CHECK (tax_class IN ('standard', 'exempt', 'reverse_charge')),
    state           text NOT NULL CHECK (state IN ('active', 'closed')),
    opened_at       timestamptz NOT NULL,
    closed_at       timestamptz,
    PRIMARY KEY (tenant_id, account_id),
    UNIQUE (tenant_id, number)
);
CREATE INDEX account_by_party ON account.account (tenant_id, party_id);
SELECT base.tenant_table('account', 'account');
