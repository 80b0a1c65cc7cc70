CREATE TABLE party.party (
    tenant_id  uuid NOT NULL,
    party_id   uuid NOT NULL,
    kind       text NOT NULL CHECK (kind IN ('individual', 'organization')),
    name       text NOT NULL,
    vat_id     text NOT NULL DEFAULT '',
    contacts   jsonb NOT NULL DEFAULT '[]',
    address    jsonb NOT NULL,
    language   text NOT NULL,
    created_at timestamptz NOT NULL,
    erased_at  timestamptz,
    PRIMARY KEY (tenant_id, party_id)
);
SELECT base.tenant_table('party', 'party');
