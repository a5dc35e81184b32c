"""What a selection is for: train on it, evaluate, compare. Arrives with the next release."""
