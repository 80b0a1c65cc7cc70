-- Money between two accounts of different virtual shards: taken from one, given to the other, or given back.
CREATE TABLE charging.transfer (
    tenant_id  uuid NOT NULL,
    id         uuid NOT NULL,
    payer      bigint NOT NULL,
    key_hi     bigint NOT NULL,
    key_lo     bigint NOT NULL,
    payee      bigint NOT NULL CHECK (payee <> payer),
    amount     bigint NOT NULL CHECK (amount > 0),
    state      text NOT NULL DEFAULT 'asked'
               CHECK (state IN ('asked', 'taken', 'done', 'refused', 'returning', 'returned')),
    result     integer NOT NULL DEFAULT 0,
    asked_at   timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, payer, key_hi, key_lo),
    FOREIGN KEY (tenant_id, payer) REFERENCES charging.account (tenant_id, number),
    FOREIGN KEY (tenant_id, payee) REFERENCES charging.account (tenant_id, number)
) WITH (fillfactor = 80);
COMMENT ON COLUMN charging.transfer.key_hi IS 'with key_lo a hash of the key of who wants it';
COMMENT ON COLUMN charging.transfer.amount IS 'nano-units of both accounts'' currency';
COMMENT ON COLUMN charging.transfer.result IS 'the code with which one of the two accounts refused; 0: neither did';
CREATE INDEX transfer_under_way ON charging.transfer (tenant_id, changed_at)
    WHERE state IN ('asked', 'taken', 'returning');
CREATE INDEX transfer_of_payee ON charging.transfer (tenant_id, payee);
SELECT base.tenant_table('charging', 'transfer');
