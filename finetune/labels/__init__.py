"""Genuine quality labels: what training on samples, or on groups of them, was good for."""
