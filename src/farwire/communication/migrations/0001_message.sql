CREATE TABLE communication.template (
    tenant_id    uuid NOT NULL,
    code         text NOT NULL CHECK (code ~ '^[a-z][a-z0-9_]{0,59}$'),
    language     text NOT NULL CHECK (language <> ''),
    channel      text NOT NULL CHECK (channel IN ('email', 'sms', 'push', 'letter')),
    version      integer NOT NULL CHECK (version > 0),
    subject      text NOT NULL,
    body         text NOT NULL CHECK (body <> ''),
    variables    text[] NOT NULL,
    required     text[] NOT NULL,
    published_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, code, language, channel, version)
);
SELECT base.tenant_table('communication', 'template', append_only => true);

CREATE TABLE communication.message (
    tenant_id        uuid NOT NULL,
    message_id       uuid NOT NULL,
    key              text NOT NULL CHECK (key <> ''),
    party_id         uuid NOT NULL,
    code             text NOT NULL,
    template_version integer NOT NULL CHECK (template_version >= 0),
    language         text NOT NULL,
    channel          text NOT NULL CHECK (channel IN ('email', 'sms', 'push', 'letter')),
    purpose          text NOT NULL CHECK (purpose IN ('transactional', 'marketing')),
    priority         smallint NOT NULL CHECK (priority BETWEEN 0 AND 2),
    state            text NOT NULL CHECK (state IN (
                         'queued', 'waiting_quiet_hours', 'sent', 'delivered', 'failed', 'suppressed')),
    reason           text NOT NULL CHECK ((reason <> '') = (state = 'suppressed')),
    address          text NOT NULL,
    subject          text NOT NULL,
    body             text NOT NULL,
    zone             text NOT NULL,
    country          text NOT NULL,
    created_at       timestamptz NOT NULL,
    not_before       timestamptz NOT NULL,
    attempts         smallint NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    lease_until      timestamptz,
    reference        text NOT NULL DEFAULT '',
    error            text NOT NULL DEFAULT '',
    sent_at          timestamptz,
    closed_at        timestamptz,
    erased_at        timestamptz CHECK (erased_at IS NULL OR (address = '' AND subject = '' AND body = '')),
    cause_id         uuid,
    PRIMARY KEY (tenant_id, message_id),
    UNIQUE (tenant_id, key)
);
CREATE INDEX message_due ON communication.message (tenant_id, priority, not_before)
    WHERE state IN ('queued', 'waiting_quiet_hours');
CREATE INDEX message_by_party ON communication.message (tenant_id, party_id, created_at);
CREATE INDEX message_by_time ON communication.message (tenant_id, created_at, message_id);
-- What retention still has to blank.
CREATE INDEX message_to_blank ON communication.message (tenant_id, created_at) WHERE erased_at IS NULL;
SELECT base.tenant_table('communication', 'message');

CREATE TABLE communication.receipt (
    tenant_id   uuid NOT NULL,
    message_id  uuid NOT NULL,
    key         text NOT NULL CHECK (key <> ''),
    state       text NOT NULL CHECK (state IN ('delivered', 'failed')),
    at          timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    error       text NOT NULL DEFAULT '',
    PRIMARY KEY (tenant_id, message_id, key),
    FOREIGN KEY (tenant_id, message_id) REFERENCES communication.message
);
SELECT base.tenant_table('communication', 'receipt');

-- The gateway that stands behind every channel until a real one is set: what it took, once per message.
CREATE TABLE communication.local_outbox (
    tenant_id   uuid NOT NULL,
    message_id  uuid NOT NULL,
    channel     text NOT NULL,
    address     text NOT NULL,
    subject     text NOT NULL,
    body        text NOT NULL,
    accepted_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, message_id),
    FOREIGN KEY (tenant_id, message_id) REFERENCES communication.message
);
SELECT base.tenant_table('communication', 'local_outbox');
