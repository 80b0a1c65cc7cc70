"""Catalogue: product offerings and their price plans, effective-dated and immutable once published."""
