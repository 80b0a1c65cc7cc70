"""Flows across contexts: each asks several of them, none of them knows the others."""
