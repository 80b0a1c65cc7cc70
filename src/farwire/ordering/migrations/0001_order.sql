-- Product orders: what was asked for, the tasks that do it, and a journal of what was done.
CREATE TABLE ordering.product_order (
    tenant_id    uuid NOT NULL,
    order_id     uuid NOT NULL,
    key          text NOT NULL CHECK (length(key) BETWEEN 1 AND 200),
    digest       text NOT NULL,
    account_id   uuid NOT NULL,
    party_id     uuid NOT NULL,
    state        text NOT NULL,
    version      integer NOT NULL CHECK (version >= 1),
    channel      text NOT NULL,
    holds        text[] NOT NULL,
    requested_at timestamptz,
    starts_at    timestamptz NOT NULL,
    placed_at    timestamptz NOT NULL,
    released_at  timestamptz,
    started_at   timestamptz,
    ended_at     timestamptz,
    reason       text NOT NULL,
    CHECK ((ended_at IS NULL) = (state NOT IN ('rejected', 'cancelled', 'completed', 'partial', 'failed'))),
    PRIMARY KEY (tenant_id, order_id),
    CONSTRAINT product_order_key UNIQUE (tenant_id, key)
);
CREATE INDEX product_order_by_account ON ordering.product_order (tenant_id, account_id, order_id);
CREATE INDEX product_order_held_by_party ON ordering.product_order (tenant_id, party_id)
    WHERE ended_at IS NULL AND holds <> '{}';
SELECT base.tenant_table('ordering', 'product_order');

CREATE TABLE ordering.item (
    tenant_id       uuid NOT NULL,
    order_id        uuid NOT NULL,
    item_id         uuid NOT NULL,
    number          integer NOT NULL CHECK (number >= 1),
    action          text NOT NULL,
    request         jsonb NOT NULL,
    product_id      uuid NOT NULL,
    plan_version_id uuid,
    state           text NOT NULL,
    effective_at    timestamptz,
    final           boolean NOT NULL,
    ends_as         text NOT NULL,
    reason          text NOT NULL,
    details         jsonb NOT NULL,
    PRIMARY KEY (tenant_id, order_id, item_id),
    UNIQUE (tenant_id, order_id, number),
    FOREIGN KEY (tenant_id, order_id) REFERENCES ordering.product_order (tenant_id, order_id)
);
-- One open order per product: two would overwrite each other. A new product's id is its own.
CREATE UNIQUE INDEX item_open_by_product ON ordering.item (tenant_id, product_id)
    WHERE state NOT IN ('completed', 'cancelled', 'failed', 'rejected');
SELECT base.tenant_table('ordering', 'item');

CREATE TABLE ordering.task (
    tenant_id    uuid NOT NULL,
    task_id      uuid NOT NULL,
    order_id     uuid NOT NULL,
    item_id      uuid NOT NULL,
    number       integer NOT NULL CHECK (number >= 1),
    kind         text NOT NULL,
    name         text NOT NULL,
    depends_on   integer[] NOT NULL,
    parameters   jsonb NOT NULL,
    compensation text,
    final        boolean NOT NULL,
    undoes       integer,
    state        text NOT NULL,
    due_at       timestamptz NOT NULL,
    attempts     integer NOT NULL,
    max_attempts integer NOT NULL,
    fence        bigint NOT NULL,
    worker       text NOT NULL,
    doubtful     boolean NOT NULL,
    result       jsonb NOT NULL,
    error        text NOT NULL,
    error_code   text NOT NULL,
    PRIMARY KEY (tenant_id, task_id),
    UNIQUE (tenant_id, order_id, item_id, number),
    FOREIGN KEY (tenant_id, order_id, item_id) REFERENCES ordering.item (tenant_id, order_id, item_id)
        ON DELETE CASCADE
);
-- What is to be done, the longest due first; of a running one due_at is the end of its lease.
CREATE INDEX task_due ON ordering.task (tenant_id, due_at, task_id) WHERE state IN ('ready', 'running');
CREATE INDEX task_fallout ON ordering.task (tenant_id, task_id) WHERE state = 'fallout';
SELECT base.tenant_table('ordering', 'task');

-- Append-only: what was done to an order, by whom, with which outcome.
CREATE TABLE ordering.journal (
    tenant_id   uuid NOT NULL,
    order_id    uuid NOT NULL,
    position    bigint GENERATED ALWAYS AS IDENTITY,
    recorded_at timestamptz NOT NULL,
    act         text NOT NULL,
    item_number integer,
    task_number integer,
    attempt     integer,
    actor       text NOT NULL,
    detail      jsonb NOT NULL,
    PRIMARY KEY (tenant_id, order_id, position)
);
SELECT base.tenant_table('ordering', 'journal', append_only => true);
-- One success of a task, whoever ran it: the same transaction holds its effect.
CREATE UNIQUE INDEX journal_task_done ON ordering.journal (tenant_id, order_id, item_number, task_number)
    WHERE act = 'done';

CREATE TABLE ordering.policy (
    tenant_id uuid NOT NULL,
    document  jsonb NOT NULL,
    set_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id)
);
SELECT base.tenant_table('ordering', 'policy');

-- A restore must find the same orders, and every task that was done once.
SELECT base.control_total('ordering.orders', $$
    SELECT state, count(*)::text FROM ordering.product_order GROUP BY state$$);
SELECT base.control_total('ordering.tasks', $$
    SELECT kind || ' ' || state, count(*)::text FROM ordering.task GROUP BY kind, state$$);
