"""Farwire: an open operator platform, from the offer to the paid bill and from the alarm to the credit."""

__version__ = "0.1.0"
