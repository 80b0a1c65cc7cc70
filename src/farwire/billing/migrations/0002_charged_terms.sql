-- On which terms each stretch of days of a price is charged, and for which payer.
-- from_day counts local days from plan_from: 0 is the first stretch, so that rows of before keep their meaning, as do the
-- empty terms: the plan as it is. An unknown plan version is that of the product at plan_from. The nil payer is the
-- product's own account; another account has rows of its own for its share.
ALTER TABLE billing.charged
    ADD COLUMN payer_id        uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    ADD COLUMN from_day        integer NOT NULL DEFAULT 0 CHECK (from_day >= 0),
    ADD COLUMN plan_version_id uuid,
    ADD COLUMN terms           text NOT NULL DEFAULT '',
    DROP CONSTRAINT charged_pkey,
    ADD PRIMARY KEY (tenant_id, product_id, payer_id, plan_from, price_id, from_day);
