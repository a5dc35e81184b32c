"""What the data is: samples, readers and writers for every format, images, data cards."""

from data_cards.errors import BadInputError, BadRowError
from data_cards.sample import ImageRef, Sample, Turn

__all__ = ["BadInputError", "BadRowError", "ImageRef", "Sample", "Turn"]
