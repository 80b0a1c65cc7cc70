CREATE TABLE ledger.book_account (
    tenant_id       uuid NOT NULL,
    legal_entity_id uuid NOT NULL,
    code            text NOT NULL,
    name            text NOT NULL,
    kind            text NOT NULL CHECK (kind IN ('asset', 'liability', 'revenue')),
    PRIMARY KEY (tenant_id, legal_entity_id, code)
);
SELECT base.tenant_table('ledger', 'book_account', append_only => true);

CREATE TABLE ledger.entry (
    tenant_id       uuid NOT NULL,
    entry_id        uuid NOT NULL,
    legal_entity_id uuid NOT NULL,
    booked_on       date NOT NULL,
    recorded_at     timestamptz NOT NULL,
    source          text NOT NULL,
    key             text NOT NULL,
    PRIMARY KEY (tenant_id, entry_id),
    UNIQUE (tenant_id, source, key)
);
SELECT base.tenant_table('ledger', 'entry', append_only => true);

CREATE TABLE ledger.posting (
    tenant_id       uuid NOT NULL,
    entry_id        uuid NOT NULL,
    number          smallint NOT NULL,
    legal_entity_id uuid NOT NULL,
    code            text NOT NULL,
    account_id      uuid,
    currency        text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    amount_minor    bigint NOT NULL,
    remainder_nano  bigint NOT NULL,
    PRIMARY KEY (tenant_id, entry_id, number),
    FOREIGN KEY (tenant_id, entry_id) REFERENCES ledger.entry (tenant_id, entry_id),
    FOREIGN KEY (tenant_id, legal_entity_id, code) REFERENCES ledger.book_account (tenant_id, legal_entity_id, code)
);
CREATE INDEX posting_by_account ON ledger.posting (tenant_id, account_id, code) WHERE account_id IS NOT NULL;
SELECT base.tenant_table('ledger', 'posting', append_only => true);

-- All postings of an entry come in one statement, so the check can be made at once for the whole statement.
CREATE FUNCTION ledger.refuse_imbalance() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    broken uuid;
BEGIN
    SELECT p.entry_id INTO broken
      FROM ledger.posting p
      JOIN (SELECT DISTINCT tenant_id, entry_id FROM added) a ON a.tenant_id = p.tenant_id AND a.entry_id = p.entry_id
     GROUP BY p.tenant_id, p.entry_id, p.currency
    HAVING sum(p.amount_minor) <> 0 OR sum(p.remainder_nano) <> 0
     LIMIT 1;
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION 'the postings of entry % do not sum to 0', broken
            USING ERRCODE = 'check_violation', CONSTRAINT = 'posting_balances';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER posting_balances AFTER INSERT ON ledger.posting
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_imbalance();

-- A restore must find the same books.
SELECT base.control_total('ledger.postings', $$
    SELECT currency || ' ' || code, sum(amount_minor) || ' minor, ' || sum(remainder_nano) || ' nano'
      FROM ledger.posting GROUP BY currency, code$$);
