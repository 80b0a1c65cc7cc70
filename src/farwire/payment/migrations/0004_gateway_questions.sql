-- A gateway that does not tell is asked: how often it was, and when it is the next time.
ALTER TABLE payment.charge
    ADD COLUMN asked  integer NOT NULL DEFAULT 0,
    ADD COLUMN ask_at timestamptz;
CREATE INDEX charge_to_ask ON payment.charge (tenant_id, created_at) WHERE state = 'pendingAuthorization';

-- A provider may tell that it took money back before it tells that there was any.
CREATE TABLE payment.early_reversal (
    tenant_id    uuid NOT NULL,
    method       text NOT NULL,
    reference    text NOT NULL,
    currency     text NOT NULL,
    amount_minor bigint NOT NULL,
    reason       text NOT NULL,
    heard_at     timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, method, reference)
);
SELECT base.tenant_table('payment', 'early_reversal');

-- What waits in suspense may go back to where it came from, without an account.
ALTER TABLE payment.refund ALTER COLUMN account_id DROP NOT NULL;

ALTER TABLE payment.simulated_charge
    DROP CONSTRAINT simulated_charge_state_check,
    ADD CONSTRAINT simulated_charge_state_check
        CHECK (state IN ('waiting', 'authorised', 'captured', 'declined', 'refunded', 'reversed'));
