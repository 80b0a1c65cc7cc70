-- What bills have given back of what postpaid accounts may owe, step by step: a step stands here before money moves.
CREATE TABLE charging.room (
    tenant_id   uuid NOT NULL,
    document_id uuid NOT NULL,
    account     bigint NOT NULL,
    step        integer NOT NULL CHECK (step > 0),
    amount      bigint NOT NULL CHECK (amount <> 0),
    moved       bigint CHECK (moved IN (0, amount)),
    planned_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, document_id, account, step),
    FOREIGN KEY (tenant_id, account) REFERENCES charging.account (tenant_id, number)
);
COMMENT ON COLUMN charging.room.document_id IS 'the bill';
COMMENT ON COLUMN charging.room.amount IS 'nano-units of the account''s currency; below 0 where the bill is unpaid again';
COMMENT ON COLUMN charging.room.moved IS 'null: its shard has not answered yet; 0: it refused';
SELECT base.tenant_table('charging', 'room');
