"""SQL of the inventory."""
