-- Which service a service supports: what faces the customer stands on what faces the resources (TMF638).

ALTER TABLE inventory.service_instance
    ADD COLUMN supports uuid CHECK (supports <> service_id),
    ADD CONSTRAINT service_supports FOREIGN KEY (tenant_id, supports)
        REFERENCES inventory.service_instance (tenant_id, service_id);
CREATE INDEX service_by_supported ON inventory.service_instance (tenant_id, supports) WHERE supports IS NOT NULL;
