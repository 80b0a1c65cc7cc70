-- What was applied, and should be there. The row goes when the target is terminated: its name may be a person's.
CREATE TABLE activation.target (
    tenant_id  uuid NOT NULL,
    target_id  uuid NOT NULL,
    adapter    text NOT NULL,
    name       text NOT NULL CHECK (name <> ''),
    attributes jsonb NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, target_id),
    CONSTRAINT target_name UNIQUE (tenant_id, adapter, name)
);
SELECT base.tenant_table('activation', 'target');

CREATE TABLE activation.operation (
    tenant_id  uuid NOT NULL,
    key        text NOT NULL CHECK (key <> ''),
    adapter    text NOT NULL,
    action     text NOT NULL CHECK (action IN ('provision', 'change', 'suspend', 'resume', 'terminate')),
    target_id  uuid NOT NULL,
    applied_at timestamptz NOT NULL,
    CONSTRAINT operation_key PRIMARY KEY (tenant_id, key)
);
CREATE INDEX operation_by_target ON activation.operation (tenant_id, target_id);
SELECT base.tenant_table('activation', 'operation', append_only => true);

-- The simulated network itself.
CREATE TABLE activation.simulated (
    tenant_id  uuid NOT NULL,
    adapter    text NOT NULL,
    name       text NOT NULL,
    attributes jsonb NOT NULL,
    PRIMARY KEY (tenant_id, adapter, name)
);
CREATE INDEX simulated_msisdn ON activation.simulated (tenant_id, adapter, (attributes ->> 'msisdn'));
SELECT base.tenant_table('activation', 'simulated');

-- A fault that the next attempts meet. They are numbered by a sequence, which a rolled back attempt counts, too.
CREATE TABLE activation.fault (
    tenant_id   uuid NOT NULL,
    adapter     text NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('fail', 'refuse', 'drop', 'slow')),
    count       integer NOT NULL CHECK (count > 0),
    after       bigint NOT NULL,
    delay_ms    integer NOT NULL CHECK (delay_ms BETWEEN 0 AND 60000),
    PRIMARY KEY (tenant_id, adapter)
);
SELECT base.tenant_table('activation', 'fault');
CREATE SEQUENCE activation.attempt AS bigint CACHE 1;
GRANT USAGE ON SEQUENCE activation.attempt TO farwire_app;
