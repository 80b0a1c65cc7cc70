-- Usage that online charging has priced and taken from a balance already: it is not rated or billed again.
CREATE TABLE usage.charged (
    tenant_id    uuid NOT NULL,
    usage_id     uuid NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('voice', 'data', 'message', 'event')),
    started_at   timestamptz NOT NULL,
    ended_at     timestamptz NOT NULL,
    quantity     bigint NOT NULL CHECK (quantity >= 0),
    subscriber   bigint NOT NULL,
    product_id   uuid,
    rating_group bigint NOT NULL,
    price        bigint NOT NULL,
    charge_nano  bigint NOT NULL,
    currency     text NOT NULL,
    recorded_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, usage_id),
    CHECK (ended_at >= started_at)
);
COMMENT ON COLUMN usage.charged.subscriber IS 'number of the account of online charging: no number that anybody calls';
COMMENT ON COLUMN usage.charged.price IS 'its number in online charging; 0 was free, -1 is an amount that was asked for';
CREATE INDEX charged_by_subscriber ON usage.charged (tenant_id, subscriber, started_at);
SELECT base.tenant_table('usage', 'charged', append_only => true);
