-- Which cycles were billed, when and until when they are paid: read from the index alone.
CREATE INDEX bill_cycles ON billing.bill (tenant_id, cycle_end, cycle_start) INCLUDE (zone, issue_on, due_on)
    WHERE state = 'issued' AND kind = 'bill';
