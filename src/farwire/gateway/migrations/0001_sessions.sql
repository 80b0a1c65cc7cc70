-- Sessions that are live at network elements, and what these are to be told. All times are those of the database:
-- gateways of several machines share them. What is lost here costs a re-authorisation, never money.
CREATE TABLE gateway.session (
    tenant_id uuid NOT NULL,
    protocol  text NOT NULL CHECK (protocol IN ('diameter', 'radius', 'nchf')),
    session   text NOT NULL CHECK (session <> ''),
    account   bigint NOT NULL,
    peer      text NOT NULL,
    address   jsonb NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT now(),
    seen_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, protocol, session)
) WITH (fillfactor = 80);
COMMENT ON COLUMN gateway.session.session IS 'as its protocol names it';
COMMENT ON COLUMN gateway.session.peer IS 'who brought its last request';
COMMENT ON COLUMN gateway.session.address IS 'what its gateway needs to reach it again';
CREATE INDEX session_of_account ON gateway.session (tenant_id, account);
CREATE INDEX session_seen ON gateway.session (tenant_id, seen_at);
SELECT base.tenant_table('gateway', 'session');

CREATE TABLE gateway.wish (
    tenant_id uuid NOT NULL,
    protocol  text NOT NULL,
    session   text NOT NULL,
    reason    text NOT NULL,
    wanted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at    timestamptz NOT NULL DEFAULT now(),
    tries     smallint NOT NULL DEFAULT 0 CHECK (tries >= 0),
    PRIMARY KEY (tenant_id, protocol, session, reason),
    FOREIGN KEY (tenant_id, protocol, session) REFERENCES gateway.session ON DELETE CASCADE
) WITH (fillfactor = 50);
COMMENT ON COLUMN gateway.wish.wanted_at IS 'of the last event; who settles an earlier one leaves the wish';
COMMENT ON COLUMN gateway.wish.due_at IS 'when it may be claimed: the end of a lease, or of a back-off';
CREATE INDEX wish_due ON gateway.wish (tenant_id, protocol, due_at);
SELECT base.tenant_table('gateway', 'wish');
