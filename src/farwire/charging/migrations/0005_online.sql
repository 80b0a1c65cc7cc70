-- Usage learns which products are charged online, also of accounts that were opened before it asked.
INSERT INTO usage.online (tenant_id, product_id, since)
SELECT tenant_id, product_id, min(opened_at) FROM charging.account WHERE product_id IS NOT NULL
 GROUP BY tenant_id, product_id
    ON CONFLICT DO NOTHING;
