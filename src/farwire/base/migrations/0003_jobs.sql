-- Work that is done later, by whichever worker leases it first.

CREATE TABLE base.job (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL CHECK (kind ~ '^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$'),
    key text NOT NULL CHECK (key <> ''),
    payload jsonb NOT NULL,
    state text NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    run_at timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    max_attempts integer NOT NULL CHECK (max_attempts BETWEEN 1 AND 100),
    -- Rises with every lease: what a worker writes under an older fence is refused.
    fence bigint NOT NULL DEFAULT 0,
    worker text,
    lease_until timestamptz,
    cancel_requested boolean NOT NULL DEFAULT false,
    error text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    finished_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, kind, key),
    CHECK ((state = 'running') = (lease_until IS NOT NULL)),
    CHECK ((state IN ('done', 'failed', 'cancelled')) = (finished_at IS NOT NULL))
);
SELECT base.untenanted_table('base', 'job',
    'workers lease the due work of every tenant in one statement; a payload holds ids only, never personal data');
CREATE INDEX job_due ON base.job (kind, run_at) WHERE state = 'queued';
CREATE INDEX job_leased ON base.job (kind, lease_until) WHERE state = 'running';
CREATE INDEX job_finished ON base.job (tenant_id, finished_at) WHERE finished_at IS NOT NULL;
