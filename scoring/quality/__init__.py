"""What a sample is worth, all metrics taken together: floors, consensus, learned models."""
