"""``pickwell watch``: data files scored like a stored run as they land in a folder."""
