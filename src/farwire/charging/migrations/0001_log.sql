-- Shards of online charging: who owns one, its log and snapshots when they live here, and which virtual shards it has.
-- A shard serves all tenants; whose a record is stands in the record.

-- The epoch only rises. Who appends names its epoch in the same statement, and waits for the row that a taker changes.
CREATE TABLE charging.log_lease (
    shard      integer PRIMARY KEY CHECK (shard >= 0),
    epoch      bigint NOT NULL CHECK (epoch > 0),
    holder     text NOT NULL CHECK (holder <> ''),
    held_until timestamptz NOT NULL,
    last       bigint NOT NULL DEFAULT 0 CHECK (last >= 0)
) WITH (fillfactor = 50);
COMMENT ON COLUMN charging.log_lease.last IS 'last sequence in charging.log_batch; 0 for shards that log to files';
SELECT base.untenanted_table('charging', 'log_lease', 'a shard of online charging serves subscribers of all tenants');

CREATE TABLE charging.log_batch (
    shard integer NOT NULL REFERENCES charging.log_lease,
    last  bigint NOT NULL,
    first bigint NOT NULL CHECK (0 < first AND first <= last),
    epoch bigint NOT NULL,
    body  bytea NOT NULL,
    PRIMARY KEY (shard, last)
);
ALTER TABLE charging.log_batch ALTER COLUMN body SET STORAGE EXTERNAL;  -- compressing costs more than it saves
SELECT base.untenanted_table('charging', 'log_batch', 'a batch holds requests of subscribers of all tenants');

-- Part 0 is the mark, written last: a snapshot without it does not exist.
CREATE TABLE charging.log_snapshot (
    shard    integer NOT NULL REFERENCES charging.log_lease,
    sequence bigint NOT NULL CHECK (sequence >= 0),
    epoch    bigint NOT NULL,
    part     integer NOT NULL CHECK (part >= 0),
    body     bytea NOT NULL,
    PRIMARY KEY (shard, sequence, epoch, part)
);
ALTER TABLE charging.log_snapshot ALTER COLUMN body SET STORAGE EXTERNAL;
SELECT base.untenanted_table('charging', 'log_snapshot', 'a snapshot holds subscribers of all tenants');

CREATE TABLE charging.vshard (
    vshard integer PRIMARY KEY CHECK (vshard BETWEEN 0 AND 4095),
    shard  integer NOT NULL CHECK (shard >= 0),
    epoch  bigint NOT NULL DEFAULT 1 CHECK (epoch > 0)
);
COMMENT ON COLUMN charging.vshard.epoch IS 'rises with each move; a shard refuses subscribers of one it has lost';
SELECT base.untenanted_table('charging', 'vshard', 'subscribers of all tenants hash to the same virtual shards');
