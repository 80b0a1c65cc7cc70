-- A deck version and its rows never change: the application may add rows, not touch them.
CREATE TABLE rating.deck (
    tenant_id   uuid NOT NULL,
    deck_id     uuid NOT NULL,
    name        text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
    version     integer NOT NULL CHECK (version > 0),
    currency    text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    valid_from  timestamptz NOT NULL,
    digest      text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    row_count   integer NOT NULL CHECK (row_count > 0),
    imported_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, deck_id),
    UNIQUE (tenant_id, name, version),
    UNIQUE (tenant_id, name, valid_from)
);
SELECT base.tenant_table('rating', 'deck', append_only => true);

CREATE TABLE rating.deck_row (
    tenant_id    uuid NOT NULL,
    deck_id      uuid NOT NULL,
    prefix       text NOT NULL CHECK (prefix ~ '^[0-9]{1,15}$'),
    valid_from   timestamptz NOT NULL,
    valid_to     timestamptz CHECK (valid_to > valid_from),
    label        text NOT NULL,
    price_nano   bigint NOT NULL CHECK (price_nano >= 0),
    per          bigint NOT NULL CHECK (per > 0),
    connect_nano bigint NOT NULL CHECK (connect_nano >= 0),
    first_units  bigint NOT NULL CHECK (first_units > 0),
    step_units   bigint NOT NULL CHECK (step_units > 0),
    included     bigint NOT NULL CHECK (included >= 0),
    PRIMARY KEY (tenant_id, deck_id, prefix, valid_from),
    FOREIGN KEY (tenant_id, deck_id) REFERENCES rating.deck (tenant_id, deck_id)
);
SELECT base.tenant_table('rating', 'deck_row', append_only => true);

CREATE TABLE rating.counter (
    tenant_id    uuid NOT NULL,
    product_id   uuid NOT NULL,
    key          text NOT NULL,
    period_start timestamptz NOT NULL,
    value        bigint NOT NULL CHECK (value >= 0),
    PRIMARY KEY (tenant_id, product_id, key, period_start)
);
SELECT base.tenant_table('rating', 'counter');

CREATE TABLE rating.ported_number (
    tenant_id  uuid NOT NULL,
    number     text NOT NULL CHECK (number ~ '^[0-9]{1,32}$'),
    valid_from timestamptz NOT NULL,
    operator   text NOT NULL,
    rates_as   text NOT NULL CHECK (rates_as ~ '^[0-9]{0,32}$'),
    PRIMARY KEY (tenant_id, number, valid_from)
);
SELECT base.tenant_table('rating', 'ported_number');
