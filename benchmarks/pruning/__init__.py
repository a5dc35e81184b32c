"""What pruning a corpus of pictures is worth: ``python -m benchmarks.pruning``."""
