-- Channels of TMF688 that clients make. What is posted to one is a document of base.tmf_resource (688, Event).
CREATE TABLE base.tmf_topic (
    tenant_id  uuid        NOT NULL,
    id         text        NOT NULL CHECK (length(id) BETWEEN 1 AND 100),
    document   jsonb       NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
SELECT base.tenant_table('base', 'tmf_topic');
