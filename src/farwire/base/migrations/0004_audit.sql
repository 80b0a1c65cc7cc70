-- The audit log: one chain of hashes per tenant. The application may read and append, nothing else.

CREATE TABLE base.audit_entry (
    tenant_id uuid NOT NULL,
    sequence bigint NOT NULL CHECK (sequence >= 1),
    at timestamptz NOT NULL,
    actor_kind text NOT NULL,
    actor_id text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    detail jsonb NOT NULL,
    previous_hash bytea NOT NULL CHECK (length(previous_hash) = 32),
    hash bytea NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (tenant_id, sequence)
);
SELECT base.tenant_table('base', 'audit_entry', append_only => true);
