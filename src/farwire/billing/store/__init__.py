"""SQL of bill runs and bills."""
