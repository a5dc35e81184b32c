"""What a sample is worth: metrics, encoders, the embedding store, quality, the engine."""
