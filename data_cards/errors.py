"""The two ways in which input can be bad: as a whole, or in one row."""


class BadInputError(Exception):
    """The input or the configuration cannot be used at all; the command ends with exit code 2.

    Args:
        message: What is wrong, naming the file (and row or key).
        remedy: What the person can do about it, in one sentence.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message if not remedy else f"{message}\n{remedy}")
        self.message = message
        self.remedy = remedy


class BadRowError(Exception):
    """One row (or one image of it) cannot be used; the row is kept and marked with the reason.

    Args:
        reason: A short phrase for the ``error`` column, e.g. ``"image truncated"``.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
