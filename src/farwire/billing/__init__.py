"""Bill runs, bills and what a bill says."""
