-- Where and to whom it is sold: prices may differ by both.
ALTER TABLE account.account
    ADD COLUMN region  text NOT NULL DEFAULT '',
    ADD COLUMN segment text NOT NULL DEFAULT '';
