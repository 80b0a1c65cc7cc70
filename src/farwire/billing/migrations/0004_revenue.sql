-- Revenue over time. What a month earns of a bill line that was charged in advance; entry_id is the booking that did it.
CREATE TABLE billing.deferral (
    tenant_id       uuid NOT NULL,
    bill_id         uuid NOT NULL,
    line            integer NOT NULL,
    month           date NOT NULL CHECK (extract(day FROM month) = 1),
    legal_entity_id uuid NOT NULL,
    code            text NOT NULL,
    currency        text NOT NULL,
    amount_minor    bigint NOT NULL,
    remainder_nano  bigint NOT NULL,
    entry_id        uuid,
    PRIMARY KEY (tenant_id, bill_id, line, month),
    FOREIGN KEY (tenant_id, bill_id, line) REFERENCES billing.line (tenant_id, bill_id, number)
);
CREATE INDEX deferral_waiting ON billing.deferral (tenant_id, legal_entity_id, month) WHERE entry_id IS NULL;
CREATE INDEX deferral_earned ON billing.deferral (tenant_id, entry_id) WHERE entry_id IS NOT NULL;
SELECT base.tenant_table('billing', 'deferral');

-- On which day each bill was booked: its own date, or a later one where the books of that were closed.
CREATE TABLE billing.booking (
    tenant_id       uuid NOT NULL,
    bill_id         uuid NOT NULL,
    legal_entity_id uuid NOT NULL,
    booked_on       date NOT NULL,
    PRIMARY KEY (tenant_id, bill_id),
    FOREIGN KEY (tenant_id, bill_id) REFERENCES billing.bill (tenant_id, bill_id)
);
SELECT base.tenant_table('billing', 'booking', append_only => true);

-- What was earned by the end of a month and not billed in it, by account: the detail of that month's accrual entry.
CREATE TABLE billing.accrual (
    tenant_id       uuid NOT NULL,
    legal_entity_id uuid NOT NULL,
    month           date NOT NULL CHECK (extract(day FROM month) = 1),
    revision        integer NOT NULL,
    account_id      uuid NOT NULL,
    code            text NOT NULL,
    currency        text NOT NULL,
    amount_minor    bigint NOT NULL,
    PRIMARY KEY (tenant_id, legal_entity_id, month, revision, account_id, code, currency)
);
SELECT base.tenant_table('billing', 'accrual');

SELECT base.control_total('billing.accruals', $$
    SELECT month || ' ' || revision || ' ' || currency, sum(amount_minor) || ' minor'
      FROM billing.accrual GROUP BY month, revision, currency$$);
SELECT base.control_total('billing.deferrals', $$
    SELECT currency || CASE WHEN entry_id IS NULL THEN ' waiting' ELSE ' earned' END,
           sum(amount_minor) || ' minor, ' || sum(remainder_nano) || ' nano'
      FROM billing.deferral GROUP BY currency, entry_id IS NULL$$);
