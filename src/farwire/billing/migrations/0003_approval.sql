-- Checks, approval, credits.
SELECT 1;
