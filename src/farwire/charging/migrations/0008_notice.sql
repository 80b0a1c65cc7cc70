-- What an account was told that is no movement. The key is its place in the log, so that a second reading inserts nothing.
CREATE TABLE charging.notice (
    tenant_id uuid NOT NULL,
    shard     integer NOT NULL,
    sequence  bigint NOT NULL,
    place     integer NOT NULL,
    account   bigint NOT NULL,
    kind      smallint NOT NULL,
    subject   bigint NOT NULL,
    value     bigint NOT NULL,
    at        timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, shard, sequence, place)
);
COMMENT ON COLUMN charging.notice.sequence IS 'the last sequence of its batch';
COMMENT ON COLUMN charging.notice.subject IS 'the rating group, limit, offer, plan or balance that it is about';
CREATE INDEX notice_of_account ON charging.notice (tenant_id, account, at);
SELECT base.tenant_table('charging', 'notice', append_only => true);
