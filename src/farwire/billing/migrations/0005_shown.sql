-- Where each tax of a bill is owed, and under which id of the seller: a bill after a move may bear taxes of two countries.
-- Empty on bills of before: that of the bill's seller.
ALTER TABLE billing.tax
    ADD COLUMN country       text NOT NULL DEFAULT '',
    ADD COLUMN seller_vat_id text NOT NULL DEFAULT '';

-- What the customer is to see of each product, as it was when the bill was drafted: the name of its plan and its number.
ALTER TABLE billing.bill ADD COLUMN shown jsonb NOT NULL DEFAULT '[]';
