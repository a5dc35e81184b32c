"""What a selection is for: train on it, evaluate, make labels, compare."""
