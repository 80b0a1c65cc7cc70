-- Which account was credited, so that a reversal goes there: the subscriber's name may be another's by then.
ALTER TABLE payment.credit_order ADD COLUMN account_ref text NOT NULL DEFAULT '';
COMMENT ON COLUMN payment.credit_order.account_ref IS
    'what charging calls the account that it credited; opaque here; empty until it is credited';
