"""Operators, their legal entities and their API keys."""
