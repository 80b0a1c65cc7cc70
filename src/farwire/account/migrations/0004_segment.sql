-- The segment has a time, as region and tax class have. Until now it had none: what an account has, it always had.
UPDATE account.account SET former = (
    SELECT jsonb_agg(jsonb_set(one, '{terms,segment}', to_jsonb(segment)) ORDER BY place)
      FROM jsonb_array_elements(former) WITH ORDINALITY AS held (one, place))
 WHERE former <> '[]' AND segment <> '';
COMMENT ON COLUMN account.account.former IS
    'What held before region, segment, tax_class and purchase_order: the oldest first, each with the end of its time.';
