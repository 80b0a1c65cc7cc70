-- A listener that does not answer goes away itself: its notifications then wait in the outbox, from missed_from to
-- missed_to, and not one by one at the subscriber, where one dead listener would fill up what all tenants share.
ALTER TABLE base.tmf_hub
    ADD COLUMN failures      integer NOT NULL DEFAULT 0,
    ADD COLUMN failing_since timestamptz,
    ADD COLUMN missed_from   bigint,
    ADD COLUMN missed_to     bigint,
    ADD CHECK ((missed_from IS NULL) = (missed_to IS NULL));
