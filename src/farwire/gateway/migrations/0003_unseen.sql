-- Data that offline records report of subscribers of online charging whose gateway goes on without it: was it charged?
CREATE TABLE gateway.unseen (
    tenant_id    uuid NOT NULL,
    key_hi       bigint NOT NULL,
    key_lo       bigint NOT NULL,
    account      bigint NOT NULL,
    rating_group bigint NOT NULL,
    started_at   timestamptz NOT NULL,
    ended_at     timestamptz NOT NULL CHECK (ended_at >= started_at),
    units        bigint NOT NULL CHECK (units > 0),
    visited      text NOT NULL,
    state        text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'seen', 'debited', 'refused')),
    recorded_at  timestamptz NOT NULL DEFAULT now(),
    due_at       timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, key_hi, key_lo)
) WITH (fillfactor = 80);
COMMENT ON COLUMN gateway.unseen.key_lo IS 'with key_hi the hash of the record: it names the session in which it is debited';
COMMENT ON COLUMN gateway.unseen.started_at IS 'its microseconds come from the key, so that it is found in what is charged';
COMMENT ON COLUMN gateway.unseen.due_at IS 'when it may be decided: time for the books, or the end of a lease';
CREATE INDEX unseen_pending ON gateway.unseen (tenant_id, due_at) WHERE state = 'pending';
CREATE INDEX unseen_of_account ON gateway.unseen (tenant_id, account, rating_group);
CREATE INDEX unseen_recorded ON gateway.unseen (tenant_id, recorded_at);
SELECT base.tenant_table('gateway', 'unseen');
