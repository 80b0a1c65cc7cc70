-- The account is written down before it is credited: an answer that is lost must not let the credit go to another.
COMMENT ON COLUMN payment.credit_order.account_ref IS
    'what charging calls the account that it is for; opaque here; empty until the first attempt';
