"""SQL of tenants, keys and legal entities."""
