"""Vision-language models to fine-tune: one that needs no hub, and any that transformers opens."""
