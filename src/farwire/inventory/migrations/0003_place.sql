-- Where a product is, over time. A place is personal: it is blanked when its customer is erased.
-- number: the order in which they were added; of two of one time the later holds.
CREATE TABLE inventory.product_place (
    tenant_id  uuid NOT NULL,
    product_id uuid NOT NULL,
    number     integer NOT NULL,
    valid_from timestamptz NOT NULL,
    place      text NOT NULL CHECK (length(place) <= 500),
    PRIMARY KEY (tenant_id, product_id, number),
    FOREIGN KEY (tenant_id, product_id) REFERENCES inventory.product (tenant_id, product_id)
);
SELECT base.tenant_table('inventory', 'product_place');

-- Until now the place with which a product was ordered stood among the attributes of its services.
INSERT INTO inventory.product_place (tenant_id, product_id, number, valid_from, place)
SELECT DISTINCT ON (p.tenant_id, p.product_id) p.tenant_id, p.product_id, 0, p.started_at, s.attributes ->> 'place'
  FROM inventory.product p JOIN inventory.service_instance s USING (tenant_id, product_id)
 WHERE s.attributes ->> 'place' <> ''
 ORDER BY p.tenant_id, p.product_id, s.service_id;
UPDATE inventory.product p SET has_terms = true
 WHERE NOT has_terms AND EXISTS (SELECT 1 FROM inventory.product_place w
        WHERE w.tenant_id = p.tenant_id AND w.product_id = p.product_id);
UPDATE inventory.service_instance SET attributes = attributes - 'place' WHERE attributes ? 'place';
