"""Routes of flows across contexts (private)."""
