-- A company may be registered for VAT in several countries, have several bank accounts, and number each kind of
-- document by itself.
ALTER TABLE tenant.legal_entity
    ADD COLUMN vat_ids       jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN bank_accounts jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN series        jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN version       integer NOT NULL DEFAULT 1 CONSTRAINT legal_entity_version CHECK (version >= 1);

-- What a company's own chart of accounts calls one of our books. Without a row the book has our own code and name.
CREATE TABLE tenant.chart_code (
    tenant_id       uuid NOT NULL,
    legal_entity_id uuid NOT NULL,
    book            text NOT NULL CHECK (book <> ''),
    code            text NOT NULL CHECK (code ~ '^[A-Za-z0-9.-]{1,20}$'),
    name            text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    PRIMARY KEY (tenant_id, legal_entity_id, book),
    FOREIGN KEY (tenant_id, legal_entity_id) REFERENCES tenant.legal_entity (tenant_id, legal_entity_id)
);
SELECT base.tenant_table('tenant', 'chart_code');
