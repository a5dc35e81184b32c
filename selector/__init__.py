"""Choosing: clusters, quotas, budgets, picks, near-duplicates. Pure functions of arrays."""
