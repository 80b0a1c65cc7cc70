-- The answers of POST requests that carried an Idempotency-Key, kept for 24 hours. Written in the transaction that did the work.
CREATE TABLE base.idempotency (
    tenant_id       uuid        NOT NULL,
    idempotency_key text        NOT NULL CHECK (length(idempotency_key) BETWEEN 1 AND 128),
    request_digest  bytea       NOT NULL,
    status          smallint    NOT NULL CHECK (status BETWEEN 200 AND 299),
    headers         text        NOT NULL,
    body            bytea       NOT NULL,
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, idempotency_key)
);

-- For the purge of what is past its window.
CREATE INDEX idempotency_created_at ON base.idempotency (tenant_id, created_at);

SELECT base.tenant_table('base', 'idempotency');
