"""Products that customers have, and the subscribers behind their numbers."""
