-- Which thresholds of an allowance were told, so that none is told twice. at: when the usage started that reached it.
CREATE TABLE usage.allowance_notice (
    tenant_id    uuid NOT NULL,
    product_id   uuid NOT NULL,
    allowance_id text NOT NULL,
    period_start timestamptz NOT NULL,
    percent      smallint NOT NULL CHECK (percent BETWEEN 1 AND 100),
    at           timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, product_id, allowance_id, period_start, percent)
);
SELECT base.tenant_table('usage', 'allowance_notice', append_only => true);
