-- Who a party is, what it belongs to, what it plays, what it proved, what it allows.
ALTER TABLE party.party
    ADD COLUMN given_name      text NOT NULL DEFAULT '',
    ADD COLUMN family_name     text NOT NULL DEFAULT '',
    ADD COLUMN birth_date      date,
    ADD COLUMN registration_id text NOT NULL DEFAULT '',
    ADD COLUMN parent_id       uuid,
    ADD COLUMN kyc             text NOT NULL DEFAULT 'unverified'
        CONSTRAINT party_kyc CHECK (kyc IN ('unverified', 'pending', 'verified', 'rejected', 'expired')),
    ADD COLUMN version         integer NOT NULL DEFAULT 1 CONSTRAINT party_version CHECK (version >= 1),
    ADD COLUMN moves           jsonb NOT NULL DEFAULT '[]',
    ADD CONSTRAINT party_parent FOREIGN KEY (tenant_id, parent_id) REFERENCES party.party (tenant_id, party_id),
    ADD CONSTRAINT party_own_parent CHECK (parent_id <> party_id);
CREATE INDEX party_by_parent ON party.party (tenant_id, parent_id) WHERE parent_id IS NOT NULL;

CREATE TABLE party.role (
    tenant_id  uuid NOT NULL,
    party_id   uuid NOT NULL,
    role       text NOT NULL,
    valid_from timestamptz NOT NULL,
    valid_to   timestamptz CHECK (valid_to > valid_from),
    of_party   uuid,
    PRIMARY KEY (tenant_id, party_id, role, valid_from),
    FOREIGN KEY (tenant_id, party_id) REFERENCES party.party (tenant_id, party_id),
    FOREIGN KEY (tenant_id, of_party) REFERENCES party.party (tenant_id, party_id)
);
CREATE INDEX role_of_party ON party.role (tenant_id, of_party) WHERE of_party IS NOT NULL;
SELECT base.tenant_table('party', 'role');

-- One row per attempt. The number of the document is not here: a salted hash, and four last characters.
CREATE TABLE party.kyc_check (
    tenant_id         uuid NOT NULL,
    party_id          uuid NOT NULL,
    attempt           integer NOT NULL CHECK (attempt >= 1),
    state             text NOT NULL CHECK (state IN ('pending', 'verified', 'rejected', 'expired')),
    document          text NOT NULL,
    issuing_country   text NOT NULL CHECK (issuing_country ~ '^[A-Z]{2}$'),
    number_salt       bytea NOT NULL,
    number_hash       bytea NOT NULL,
    last4             text NOT NULL CHECK (length(last4) <= 4),
    expires_on        date,
    submitted_at      timestamptz NOT NULL,
    submitted_by_kind text NOT NULL,
    submitted_by      text NOT NULL,
    decided_at        timestamptz,
    decided_by_kind   text,
    decided_by        text,
    reason            text NOT NULL DEFAULT '',
    PRIMARY KEY (tenant_id, party_id, attempt),
    FOREIGN KEY (tenant_id, party_id) REFERENCES party.party (tenant_id, party_id)
);
CREATE INDEX kyc_check_ends ON party.kyc_check (tenant_id, expires_on) WHERE state = 'verified';
SELECT base.tenant_table('party', 'kyc_check');

-- What was said stays: whether it was granted at some time must be provable (GDPR art. 7(1)).
CREATE TABLE party.consent (
    tenant_id   uuid NOT NULL,
    party_id    uuid NOT NULL,
    sequence    integer NOT NULL CHECK (sequence >= 1),
    purpose     text NOT NULL,
    channel     text NOT NULL,
    granted     boolean NOT NULL,
    at          timestamptz NOT NULL,
    source      text NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, party_id, sequence),
    FOREIGN KEY (tenant_id, party_id) REFERENCES party.party (tenant_id, party_id)
);
SELECT base.tenant_table('party', 'consent', append_only => true);
