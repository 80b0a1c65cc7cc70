"""The words that every context shares: money, quantity, time, ids, tenancy, errors, pages. Standard library only."""
