-- Revenue over time.
SELECT 1;
