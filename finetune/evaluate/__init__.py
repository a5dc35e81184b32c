"""How well a vision-language model answers held-out questions, every figure with its interval."""
