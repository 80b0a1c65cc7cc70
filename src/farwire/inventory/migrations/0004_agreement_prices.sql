-- Whose prices follow an agreement that is amended or ended.
CREATE INDEX price_override_by_agreement ON inventory.price_override (tenant_id, agreement_id, product_id)
    WHERE agreement_id IS NOT NULL;
