"""Readers and writers, one module for each family of formats.

The order of import is the order in which formats are asked whether they know a path: what is
most particular comes first.
"""

from data_cards.readers import hf  # noqa: F401, I001
from data_cards.readers import minigpt4  # noqa: F401
from data_cards.readers import webdataset  # noqa: F401
from data_cards.readers import parquet  # noqa: F401
from data_cards.readers import delimited  # noqa: F401
from data_cards.readers import json_conversations  # noqa: F401
from data_cards.readers import imagefolder  # noqa: F401
from data_cards.readers import pictures  # noqa: F401
from data_cards.readers.base import Format, format_named, formats, register_format

__all__ = ["Format", "format_named", "formats", "register_format"]
