-- A credit order comes from a voucher, or from a payment that tops a balance up.
ALTER TABLE payment.credit_order
    ALTER COLUMN serial DROP NOT NULL,
    ALTER COLUMN batch_id DROP NOT NULL,
    ADD COLUMN payment_id  uuid,
    -- When its payment was taken back, and how much of it charging could not take: null until charging says.
    ADD COLUMN reversed_at timestamptz,
    ADD COLUMN short_minor bigint CHECK (short_minor BETWEEN 0 AND value_minor),
    ADD CONSTRAINT credit_order_payment UNIQUE (tenant_id, payment_id),
    ADD CONSTRAINT credit_order_source CHECK ((serial IS NULL) <> (payment_id IS NULL)),
    ADD FOREIGN KEY (tenant_id, payment_id) REFERENCES payment.payment (tenant_id, payment_id),
    ADD CHECK (short_minor IS NULL OR reversed_at IS NOT NULL);

-- Whose balance the money of a charge is for; without a name it pays bills.
ALTER TABLE payment.charge ADD COLUMN topup_for text NOT NULL DEFAULT '';
