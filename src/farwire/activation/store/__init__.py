"""SQL of activation."""
