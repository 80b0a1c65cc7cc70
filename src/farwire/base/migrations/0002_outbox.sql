-- Events leave by an outbox that is written in the transaction of the change that they report.
--
-- Position and visibility. A position is taken when the event is written, so for one subject, whose row the publisher
-- has locked, positions rise in the order of the facts. Transactions commit in another order than they take positions;
-- the relay therefore reads up to a fence only (docs/decisions/0004-outbox-and-relay.md). The fence is sound because a
-- transaction has its transaction id before its first position: hence the function and not a bare identity column.

CREATE SEQUENCE base.outbox_position AS bigint CACHE 1;
GRANT USAGE ON SEQUENCE base.outbox_position TO farwire_app;
GRANT SELECT ON SEQUENCE base.outbox_position TO farwire_relay;

CREATE FUNCTION base.next_outbox_position() RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_current_xact_id();
    RETURN nextval('base.outbox_position');
END
$$;

CREATE TABLE base.outbox (
    tenant_id uuid NOT NULL,
    position bigint NOT NULL DEFAULT base.next_outbox_position(),
    event_id uuid NOT NULL,
    type text NOT NULL,
    subject text NOT NULL CHECK (subject <> ''),
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    cause_id uuid,
    data jsonb NOT NULL,
    PRIMARY KEY (tenant_id, position),
    UNIQUE (tenant_id, event_id)
);
ALTER SEQUENCE base.outbox_position OWNED BY base.outbox.position;
-- The one index that does not start with the tenant: the relay reads all tenants in order of position.
CREATE UNIQUE INDEX outbox_relay_order ON base.outbox (position);
SELECT base.tenant_table('base', 'outbox', append_only => true);
SELECT base.relay_table('base', 'outbox', 'SELECT, DELETE');

-- How far each named subscriber has come, and which relay process serves it. The epoch fences out a process that lost
-- its lease and does not know it yet.
CREATE TABLE base.subscription (
    name text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9_.-]{0,62}$'),
    position bigint NOT NULL CHECK (position >= 0),
    epoch bigint NOT NULL DEFAULT 0,
    owner uuid,
    lease_until timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
INSERT INTO base.untenanted VALUES ('base', 'subscription',
    'a subscriber follows the events of every tenant with one position; only the relay has a grant');
GRANT SELECT, INSERT, UPDATE, DELETE ON base.subscription TO farwire_relay;

-- Events set aside for one subscriber: the failed one waits for its next attempt or is parked for a person; later
-- events of the same subject wait behind it, so that their order holds.
CREATE TABLE base.delivery (
    tenant_id uuid NOT NULL,
    subscriber text NOT NULL REFERENCES base.subscription (name) ON DELETE CASCADE,
    position bigint NOT NULL,
    subject text NOT NULL,
    state text NOT NULL CHECK (state IN ('waiting', 'parked')),
    attempts integer NOT NULL CHECK (attempts >= 0),
    next_attempt_at timestamptz NOT NULL,
    error text NOT NULL,
    set_aside_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, subscriber, position),
    FOREIGN KEY (tenant_id, position) REFERENCES base.outbox (tenant_id, position)
);
-- The relay looks for the first event of every subject of one subscriber, whatever the tenant.
CREATE INDEX delivery_heads ON base.delivery (subscriber, tenant_id, subject, position);
SELECT base.tenant_table('base', 'delivery');
SELECT base.relay_table('base', 'delivery', 'SELECT, INSERT, UPDATE, DELETE');
REVOKE ALL ON base.delivery FROM farwire_app;
