-- The drafts of a run are read in their order by bill_draft. An index on the run alone is smaller, as all its keys are
-- equal: the planner took it, and read every draft of the run for each batch.
DROP INDEX billing.bill_by_run;
CREATE INDEX bill_by_run ON billing.bill (tenant_id, run_id, cycle_end DESC, account_number);
