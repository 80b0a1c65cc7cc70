"""The tables of vouchers."""
