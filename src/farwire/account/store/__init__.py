"""SQL of billing accounts and their charge routes."""
