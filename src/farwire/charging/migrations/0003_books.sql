-- What the books have made of the facts in the logs of the shards.

-- Where reading begins. What has been counted, each tenant's own position says.
CREATE TABLE charging.books_shard (
    shard integer PRIMARY KEY CHECK (shard >= 0),
    last  bigint NOT NULL CHECK (last >= 0)
) WITH (fillfactor = 50);
SELECT base.untenanted_table('charging', 'books_shard', 'a batch holds requests of subscribers of all tenants');

CREATE TABLE charging.books_position (
    tenant_id uuid NOT NULL,
    shard     integer NOT NULL CHECK (shard >= 0),
    last      bigint NOT NULL CHECK (last >= 0),
    PRIMARY KEY (tenant_id, shard)
) WITH (fillfactor = 50);
COMMENT ON COLUMN charging.books_position.last IS 'last sequence of the shard''s log that this tenant''s books hold';
SELECT base.tenant_table('charging', 'books_position');

-- One change of one balance. The key is its place in the log, so that a second reading inserts nothing.
CREATE TABLE charging.movement (
    tenant_id uuid NOT NULL,
    shard     integer NOT NULL,
    sequence  bigint NOT NULL,
    place     integer NOT NULL,
    account   bigint NOT NULL,
    balance   integer NOT NULL,
    unit      smallint NOT NULL CHECK (unit BETWEEN 0 AND 7),
    kind      smallint NOT NULL,
    amount    bigint NOT NULL,
    reason    bigint NOT NULL,
    key_hi    bigint NOT NULL,
    key_lo    bigint NOT NULL,
    request   bigint NOT NULL,
    at        timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, shard, sequence, place)
);
COMMENT ON COLUMN charging.movement.sequence IS 'the last sequence of its batch';
COMMENT ON COLUMN charging.movement.amount IS 'nano-units of the account''s currency, or base units of the unit';
COMMENT ON COLUMN charging.movement.request IS 'number of the request in its session';
CREATE INDEX movement_of_account ON charging.movement (tenant_id, account, at);
SELECT base.tenant_table('charging', 'movement', append_only => true);

-- What has been booked between two books, exactly: the ledger gets whole minor units of the running total.
CREATE TABLE charging.booked (
    tenant_id       uuid NOT NULL,
    legal_entity_id uuid NOT NULL,
    currency        text NOT NULL,
    own             text NOT NULL,
    other           text NOT NULL,
    nano            numeric(38, 0) NOT NULL,
    PRIMARY KEY (tenant_id, legal_entity_id, currency, own, other)
) WITH (fillfactor = 50);
SELECT base.tenant_table('charging', 'booked');
