-- What was earned of prepaid money, gross, by month, book and tax: exactly, so that the tax inside it is, too.
CREATE TABLE charging.taxed (
    tenant_id       uuid NOT NULL,
    legal_entity_id uuid NOT NULL,
    currency        text NOT NULL,
    book            text NOT NULL,
    month           date NOT NULL,
    tax             text NOT NULL,
    numerator       numeric NOT NULL CHECK (numerator >= 0),
    denominator     numeric NOT NULL CHECK (denominator > 0),
    gross_nano      numeric(38, 0) NOT NULL,
    PRIMARY KEY (tenant_id, legal_entity_id, currency, book, month, tax)
) WITH (fillfactor = 50);
COMMENT ON COLUMN charging.taxed.tax IS 'country, category and rates; why there is none';
COMMENT ON COLUMN charging.taxed.numerator IS 'with the denominator the exact part of the gross that is tax';
SELECT base.tenant_table('charging', 'taxed');

-- What was booked before tax was: all of it is revenue.
INSERT INTO charging.taxed (tenant_id, legal_entity_id, currency, book, month, tax, numerator, denominator, gross_nano)
SELECT tenant_id, legal_entity_id, currency, other, '2000-01-01', 'booked without tax', 0, 1, -sum(nano)
  FROM charging.booked WHERE other IN ('4000', '4200') GROUP BY tenant_id, legal_entity_id, currency, other;
