"""SQL of listeners, and of what they have still to hear."""
