"""Prepaid balances and what is used up. Documents with states and events so far (see README.md)."""
