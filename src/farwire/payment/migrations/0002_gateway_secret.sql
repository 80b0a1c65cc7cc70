-- A gateway gives its operator a text to sign with; those that we make ourselves have 32 octets.
ALTER TABLE payment.gateway
    DROP CONSTRAINT gateway_secret_check,
    ADD CONSTRAINT gateway_secret_length CHECK (length(secret) BETWEEN 16 AND 256),
    ADD COLUMN changed_at timestamptz;
