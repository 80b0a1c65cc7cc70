-- More books, the codes that a company's own accountants use, accounting periods, reversals.
ALTER TABLE ledger.book_account DROP CONSTRAINT book_account_kind_check;
ALTER TABLE ledger.book_account ADD CONSTRAINT book_account_kind_check
    CHECK (kind IN ('asset', 'liability', 'revenue', 'contra_revenue', 'expense'));

CREATE TABLE ledger.own_book (
    tenant_id       uuid NOT NULL,
    legal_entity_id uuid NOT NULL,
    code            text NOT NULL,
    own_code        text NOT NULL,
    own_name        text NOT NULL,
    PRIMARY KEY (tenant_id, legal_entity_id, code),
    CONSTRAINT own_book_code_once UNIQUE (tenant_id, legal_entity_id, own_code)
);
SELECT base.tenant_table('ledger', 'own_book');

-- occurred_on: the day of the fact where it is not the day of the booking. reverses: an entry is taken back at most once.
ALTER TABLE ledger.entry ADD COLUMN occurred_on date CHECK (occurred_on <> booked_on);
ALTER TABLE ledger.entry ADD COLUMN reverses uuid;
ALTER TABLE ledger.entry ADD CONSTRAINT entry_reverses
    FOREIGN KEY (tenant_id, reverses) REFERENCES ledger.entry (tenant_id, entry_id);
CREATE UNIQUE INDEX entry_reversed_once ON ledger.entry (tenant_id, reverses) WHERE reverses IS NOT NULL;
CREATE INDEX entry_by_day ON ledger.entry (tenant_id, legal_entity_id, booked_on, entry_id);

-- A month without a row is open.
CREATE TABLE ledger.period (
    tenant_id       uuid NOT NULL,
    legal_entity_id uuid NOT NULL,
    month           date NOT NULL CHECK (extract(day FROM month) = 1),
    state           text NOT NULL CHECK (state IN ('open', 'closing', 'closed')),
    revision        integer NOT NULL CHECK (revision > 0),
    changed_at      timestamptz NOT NULL,
    reopen_by       text NOT NULL DEFAULT '',
    reopen_reason   text NOT NULL DEFAULT '',
    PRIMARY KEY (tenant_id, legal_entity_id, month)
);
SELECT base.tenant_table('ledger', 'period');

-- Who books shares this lock with all others who book; who changes the state of a period waits for them and they for it.
CREATE FUNCTION ledger.lock_key(p_tenant uuid, p_entity uuid) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT hashtextextended('ledger.period ' || p_tenant::text || p_entity::text, 0)
$$;

-- A month before a closed one is closed with it, or the opening of the closed one would change.
CREATE FUNCTION ledger.refuse_closed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    one record;
    shut record;
BEGIN
    FOR one IN SELECT DISTINCT tenant_id, legal_entity_id FROM added ORDER BY 1, 2 LOOP
        PERFORM pg_advisory_xact_lock_shared(ledger.lock_key(one.tenant_id, one.legal_entity_id));
    END LOOP;
    SELECT a.entry_id, p.month INTO shut FROM added a
      JOIN ledger.period p ON p.tenant_id = a.tenant_id AND p.legal_entity_id = a.legal_entity_id
       AND p.month >= date_trunc('month', a.booked_on::timestamp)::date
     WHERE p.state = 'closed' LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'entry % is booked on or before %, which is closed', shut.entry_id, to_char(shut.month, 'YYYY-MM')
            USING ERRCODE = 'check_violation', CONSTRAINT = 'entry_period_open';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER entry_period_open AFTER INSERT ON ledger.entry
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_closed();

SELECT base.control_total('ledger.entries', $$
    SELECT source, count(*) || ' entries' FROM ledger.entry GROUP BY source$$);
SELECT base.control_total('ledger.periods', $$
    SELECT legal_entity_id || ' ' || month, state || ', revision ' || revision FROM ledger.period$$);
