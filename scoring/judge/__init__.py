"""A language model as judge of the pairs: over HTTP, or in this process with vLLM."""
