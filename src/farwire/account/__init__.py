"""Billing accounts and their cycles."""
