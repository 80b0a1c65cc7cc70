"""Orders to the network, proven by reading back what is there."""
