"""The demo pool: real captioned images out of Debian packages, good and bad, with the truth."""
