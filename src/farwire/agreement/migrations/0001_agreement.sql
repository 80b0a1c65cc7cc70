-- One row per version of an agreement. What was active is never edited: an amendment is the next version.
CREATE TABLE agreement.agreement (
    tenant_id         uuid NOT NULL,
    agreement_id      uuid NOT NULL,
    number            text NOT NULL CHECK (number <> ''),
    version           integer NOT NULL CHECK (version >= 1),
    party_id          uuid NOT NULL,
    state             text NOT NULL CHECK (state IN ('draft', 'active', 'terminated', 'withdrawn')),
    valid_from        timestamptz NOT NULL,
    valid_to          timestamptz CHECK (valid_to >= valid_from),
    items             jsonb NOT NULL,
    requested_at      timestamptz NOT NULL,
    requested_by_kind text NOT NULL,
    requested_by      text NOT NULL,
    approved_at       timestamptz,
    approved_by_kind  text,
    approved_by       text,
    PRIMARY KEY (tenant_id, agreement_id),
    UNIQUE (tenant_id, number, version),
    CHECK ((approved_at IS NULL) = (state IN ('draft', 'withdrawn'))),
    CHECK ((requested_by_kind, requested_by) IS DISTINCT FROM (approved_by_kind, approved_by))
);
CREATE INDEX agreement_by_party ON agreement.agreement (tenant_id, party_id);
-- One amendment at a time: which of two drafts replaces the active version could not be told.
CREATE UNIQUE INDEX agreement_one_draft ON agreement.agreement (tenant_id, number) WHERE state = 'draft';
SELECT base.tenant_table('agreement', 'agreement');
