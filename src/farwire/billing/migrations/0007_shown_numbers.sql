-- The names of plans are those of their versions, which never change, so that only numbers have to be kept.
COMMENT ON COLUMN billing.bill.shown IS 'The telephone number of each product when the bill was drafted.';
