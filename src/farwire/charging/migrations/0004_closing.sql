-- A product ends and a person leaves: the account is barred, for good. What it still holds stays owed.
ALTER TABLE charging.account ADD COLUMN closed_at timestamptz;
COMMENT ON COLUMN charging.account.closed_at IS 'when its shard said that it is barred because its product has ended';
