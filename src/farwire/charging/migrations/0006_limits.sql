-- An account is opened with limits of its plan's terms, or of its country; its shard has them from then on.
ALTER TABLE charging.account ADD COLUMN limits bigint[] NOT NULL DEFAULT '{}' CHECK (cardinality(limits) % 3 = 0);
COMMENT ON COLUMN charging.account.limits IS 'when it was opened: scope, period and nano-units of each';
