-- One payer may pay a share of what recurs and all of the usage from the same time on: two routes.
ALTER TABLE account.charge_route
    DROP CONSTRAINT charge_route_pkey,
    ADD PRIMARY KEY (tenant_id, account_id, payer_account_id, valid_from, kinds);
