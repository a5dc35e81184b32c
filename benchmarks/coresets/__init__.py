"""The coreset shelf beside random: ``python -m benchmarks.coresets``."""
