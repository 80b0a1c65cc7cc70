-- Products whose usage online charging prices as it happens: what files bring of them since then is not rated again.
CREATE TABLE usage.online (
    tenant_id  uuid NOT NULL,
    product_id uuid NOT NULL,
    since      timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, product_id)
);
SELECT base.tenant_table('usage', 'online');
