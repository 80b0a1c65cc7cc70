-- Passwords of subscribers, and how far each RADIUS session has been charged: its counters are sums since its start.
CREATE TABLE gateway.credential (
    tenant_id  uuid NOT NULL,
    account    bigint NOT NULL,
    salt       bytea NOT NULL CHECK (length(salt) = 16),
    hash       bytea NOT NULL CHECK (length(hash) = 32),
    readable   bytea CHECK (length(readable) BETWEEN 1 AND 128),
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, account)
);
COMMENT ON COLUMN gateway.credential.hash IS 'scrypt of the password';
COMMENT ON COLUMN gateway.credential.readable IS 'the password itself, only where it was set for CHAP, which needs it';
SELECT base.tenant_table('gateway', 'credential');

CREATE TABLE gateway.radius_session (
    tenant_id  uuid NOT NULL,
    key_hi     bigint NOT NULL,
    key_lo     bigint NOT NULL,
    client     text NOT NULL,
    nas        text NOT NULL,
    account    bigint NOT NULL,
    charge_hi  bigint NOT NULL,
    charge_lo  bigint NOT NULL,
    generation integer NOT NULL,
    number     bigint NOT NULL CHECK (number >= 0),
    ending     boolean NOT NULL,
    used       bigint NOT NULL CHECK (used >= 0),
    settled    boolean NOT NULL,
    input      bigint NOT NULL,
    output     bigint NOT NULL,
    seconds    bigint NOT NULL,
    most       bigint NOT NULL,
    restricted boolean NOT NULL,
    opened_at  timestamptz NOT NULL,
    seen_at    timestamptz NOT NULL,
    ended_at   timestamptz,
    PRIMARY KEY (tenant_id, key_hi, key_lo)
) WITH (fillfactor = 70);
COMMENT ON COLUMN gateway.radius_session.key_lo IS 'with key_hi: the hash of client, NAS, Acct-Session-Id and account';
COMMENT ON COLUMN gateway.radius_session.charge_lo IS 'with charge_hi: the session as charging knows it';
COMMENT ON COLUMN gateway.radius_session.generation IS 'grows when a NAS gives out an Acct-Session-Id again';
COMMENT ON COLUMN gateway.radius_session.number IS 'of the last request to charging; it used ''used'' units';
COMMENT ON COLUMN gateway.radius_session.settled IS 'charging has answered the last request';
COMMENT ON COLUMN gateway.radius_session.most IS 'units that the NAS was told to end at; 0: it was told none';
CREATE INDEX radius_session_of_nas ON gateway.radius_session (tenant_id, client, nas) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX radius_session_charge ON gateway.radius_session (tenant_id, charge_hi, charge_lo);
CREATE INDEX radius_session_unsettled ON gateway.radius_session (tenant_id, seen_at) WHERE NOT settled;
CREATE INDEX radius_session_seen ON gateway.radius_session (tenant_id, seen_at);
SELECT base.tenant_table('gateway', 'radius_session');
