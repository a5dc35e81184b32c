"""Pruning a corpus: prototypes, what stays, and the theory of when to keep hard or easy."""
