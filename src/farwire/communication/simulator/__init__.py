"""A gateway that stands behind every channel until a real one is set."""
