"""Day A: launch on Monday, bill on the first, paid on the fifth; in Germany and, as its twin, in Nigeria."""
