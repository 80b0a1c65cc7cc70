-- Rows on their way in, and exported rows until their job is removed: lines of JSON, some hundred to a part. Whoever uploads
-- a second time has parts of its own (upload), so that what was broken off is never mixed with what came after it.
CREATE TABLE base.tmf_bulk_part (
    tenant_id  uuid    NOT NULL,
    api        text    NOT NULL,
    type       text    NOT NULL,
    job        text    NOT NULL,
    upload     uuid    NOT NULL,
    number     integer NOT NULL,
    first_row  bigint  NOT NULL,
    done       integer NOT NULL DEFAULT 0,
    content    bytea   NOT NULL,
    PRIMARY KEY (tenant_id, api, type, job, upload, number),
    FOREIGN KEY (tenant_id, api, type, job) REFERENCES base.tmf_resource (tenant_id, api, type, id) ON DELETE CASCADE
);
SELECT base.tenant_table('base', 'tmf_bulk_part');

-- Why a row of an import was refused.
CREATE TABLE base.tmf_bulk_error (
    tenant_id  uuid   NOT NULL,
    api        text   NOT NULL,
    type       text   NOT NULL,
    job        text   NOT NULL,
    row_number bigint NOT NULL,
    error      text   NOT NULL,
    PRIMARY KEY (tenant_id, api, type, job, row_number),
    FOREIGN KEY (tenant_id, api, type, job) REFERENCES base.tmf_resource (tenant_id, api, type, id) ON DELETE CASCADE
);
SELECT base.tenant_table('base', 'tmf_bulk_error');
