"""SQL of orders, their tasks and their journal."""
