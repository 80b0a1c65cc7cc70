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
