-- Which real (or simulated) element is meant by a name of the catalogue. Where there is no row, the built-in simulator is.
CREATE TABLE activation.element (
    tenant_id   uuid NOT NULL,
    name        text NOT NULL CHECK (name ~ '^[a-z][a-z0-9-]{0,62}$'),
    adapter     text NOT NULL,
    address     text NOT NULL,
    credentials text NOT NULL,
    settings    jsonb NOT NULL,
    timeout_ms  integer NOT NULL CHECK (timeout_ms BETWEEN 100 AND 60000),
    changed_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, name)
);
SELECT base.tenant_table('activation', 'element');

-- How far the look for drift has come with an adapter: rounds go through its targets, then through what it shows.
CREATE TABLE activation.watch (
    tenant_id    uuid NOT NULL,
    adapter      text NOT NULL,
    policy       text NOT NULL DEFAULT 'repair' CHECK (policy IN ('repair', 'report')),
    round        bigint NOT NULL DEFAULT 0,
    target_after uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    shown_after  text,
    ended_at     timestamptz,
    failures     integer NOT NULL DEFAULT 0 CHECK (failures >= 0),
    resume_at    timestamptz,
    problem      text NOT NULL DEFAULT '',
    PRIMARY KEY (tenant_id, adapter)
);
SELECT base.tenant_table('activation', 'watch');
CREATE INDEX target_of_adapter ON activation.target (tenant_id, adapter, target_id);

-- What was found. The name is kept for what nobody applied, and only while it is there: it may be a person's.
CREATE TABLE activation.finding (
    tenant_id  uuid NOT NULL,
    finding_id uuid NOT NULL,
    adapter    text NOT NULL,
    kind       text NOT NULL CHECK (kind IN ('missing', 'different', 'unexpected')),
    target_id  uuid,
    name       text NOT NULL DEFAULT '',
    attributes text[] NOT NULL,
    state      text NOT NULL CHECK (state IN ('suspected', 'open', 'repaired', 'gone')),
    round      bigint NOT NULL,
    attempts   integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    problem    text NOT NULL DEFAULT '',
    found_at   timestamptz NOT NULL,
    ended_at   timestamptz,
    PRIMARY KEY (tenant_id, finding_id),
    CHECK ((kind = 'unexpected') = (target_id IS NULL)),
    CHECK ((ended_at IS NULL) = (state IN ('suspected', 'open')))
);
CREATE UNIQUE INDEX finding_of_target ON activation.finding (tenant_id, adapter, coalesce(target_id::text, name))
    WHERE ended_at IS NULL;
CREATE INDEX finding_ended ON activation.finding (tenant_id, ended_at);
SELECT base.tenant_table('activation', 'finding');

ALTER TABLE activation.fault
    DROP CONSTRAINT fault_kind_check,
    ADD CONSTRAINT fault_kind_check CHECK (kind IN ('fail', 'refuse', 'drop', 'slow', 'half', 'lost', 'silent'));

-- What only one target of a simulated element may have: a number, the serial of an ONT, a VLAN of an interface.
ALTER TABLE activation.simulated ADD COLUMN alone text;
UPDATE activation.simulated SET alone = attributes ->> 'msisdn' WHERE adapter = 'hlr';
DROP INDEX activation.simulated_msisdn;
CREATE INDEX simulated_alone ON activation.simulated (tenant_id, adapter, alone) WHERE alone IS NOT NULL;
