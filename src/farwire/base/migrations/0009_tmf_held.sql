-- What one listener does not take of one resource: the first of its notifications that failed, and all that wait behind
-- it. One row, however many wait: they stay in the outbox. A row is tried again, until it is dead: then a person says what
-- becomes of it. Other resources of the same listener go on.
CREATE TABLE base.tmf_held (
    tenant_id      uuid        NOT NULL,
    hub            uuid        NOT NULL,
    subject        text        NOT NULL,
    id             uuid        NOT NULL,
    first_position bigint      NOT NULL,
    last_position  bigint      NOT NULL,
    state          text        NOT NULL CHECK (state IN ('waiting', 'dead')),
    attempts       integer     NOT NULL CHECK (attempts >= 0),
    error          text        NOT NULL,
    failing_since  timestamptz NOT NULL,
    failed_at      timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, hub, subject),
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, hub) REFERENCES base.tmf_hub (tenant_id, id) ON DELETE CASCADE,
    CHECK (first_position <= last_position)
);
SELECT base.tenant_table('base', 'tmf_held');

-- When a listener last took something while it did not take something else; since when an away one has not heard; and
-- the topic that it listens to, where it is not a whole API.
ALTER TABLE base.tmf_hub
    ADD COLUMN heard_at     timestamptz,
    ADD COLUMN missed_since timestamptz,
    ADD COLUMN topic        text NOT NULL DEFAULT '';

-- Up to which time of recording old events may be gone: whoever has heard nothing since before then is told of a gap.
CREATE TABLE base.outbox_purge (
    only_row boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    before   timestamptz NOT NULL
);
INSERT INTO base.untenanted VALUES ('base', 'outbox_purge', 'the outbox of all tenants is purged at once');
GRANT SELECT ON base.outbox_purge TO farwire_app;
GRANT SELECT, INSERT, UPDATE ON base.outbox_purge TO farwire_relay;
