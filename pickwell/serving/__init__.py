"""``pickwell serve``: single pairs and small batches over HTTP, scored like a stored run."""
