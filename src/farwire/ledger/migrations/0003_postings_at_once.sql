-- Looked up row by row, the entry and the book of each posting took two thirds of the time of a booking. Entries and
-- books are only ever added, so that it is enough to look when a posting comes, for the whole statement.
ALTER TABLE ledger.posting
    DROP CONSTRAINT posting_tenant_id_entry_id_fkey,
    DROP CONSTRAINT posting_tenant_id_legal_entity_id_code_fkey;

CREATE FUNCTION ledger.refuse_unknown() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    lost record;
BEGIN
    SELECT a.entry_id, a.legal_entity_id INTO lost
      FROM (SELECT DISTINCT tenant_id, entry_id, legal_entity_id FROM added) a
     WHERE NOT EXISTS (SELECT FROM ledger.entry e WHERE e.tenant_id = a.tenant_id AND e.entry_id = a.entry_id
                          AND e.legal_entity_id = a.legal_entity_id)
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'there is no entry % of legal entity %', lost.entry_id, lost.legal_entity_id
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'posting_entry_known';
    END IF;
    SELECT a.legal_entity_id, a.code INTO lost
      FROM (SELECT DISTINCT tenant_id, legal_entity_id, code FROM added) a
     WHERE NOT EXISTS (SELECT FROM ledger.book_account b WHERE b.tenant_id = a.tenant_id
                          AND b.legal_entity_id = a.legal_entity_id AND b.code = a.code)
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'legal entity % has no book %', lost.legal_entity_id, lost.code
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'posting_book_known';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER posting_known AFTER INSERT ON ledger.posting
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_unknown();
