-- Until when an order is to be done, and what was said about that date. Orders of before have none.
ALTER TABLE ordering.product_order ADD COLUMN due_by timestamptz;
ALTER TABLE ordering.product_order ADD COLUMN jeopardy text NOT NULL DEFAULT ''
    CHECK (jeopardy IN ('', 'at_risk', 'missed'));
CREATE INDEX product_order_watched ON ordering.product_order (tenant_id, due_by)
    WHERE ended_at IS NULL AND jeopardy <> 'missed';
CREATE INDEX product_order_in_jeopardy ON ordering.product_order (tenant_id, jeopardy, order_id)
    WHERE ended_at IS NULL AND jeopardy <> '';
