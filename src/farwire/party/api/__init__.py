"""HTTP APIs of parties."""
