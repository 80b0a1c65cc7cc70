-- Who changed a voucher last: what was sold is cancelled by somebody else than who blocked it.
ALTER TABLE payment.voucher
    ADD COLUMN changed_kind text NOT NULL DEFAULT '',
    ADD COLUMN changed_by text NOT NULL DEFAULT '',
    DROP CONSTRAINT voucher_sold,
    ADD CONSTRAINT voucher_sold CHECK (
        CASE WHEN state IN ('active', 'used') THEN activated_at IS NOT NULL
             WHEN state = 'generated' THEN activated_at IS NULL
             ELSE true END);
