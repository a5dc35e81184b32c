"""What callers of the shelf give, as arrays: converted where that is safe, else refused."""

from __future__ import annotations

import operator
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from data_cards.errors import BadInputError
from selector.coreset.base import BLOCK, Method

LONGEST = 1e18
"""Of a row: squared distances of such rows are a hundredth of what float32 can hold."""


def ids_of(given: Any) -> np.ndarray:
    """(n,) ids, whatever they are.

    Raises:
        BadInputError: They are no sequence.
    """
    each = _sequence(given)
    if each is None:
        raise BadInputError(f"ids are {_told(given)}", "Give a sequence, one id for each row.")
    made = np.empty(len(each), dtype=object)
    made[:] = each
    return made


def whole_number(given: Any, name: str, least: int = 0) -> int:
    """A whole number, of Python's or of numpy's kinds.

    Raises:
        BadInputError: It is none, or too small.
    """
    try:
        if isinstance(given, bool | np.bool_):
            raise TypeError
        made = operator.index(given)
    except TypeError:
        raise BadInputError(f"the {name} is {given!r}", "Give a whole number.") from None
    if made < least:
        raise BadInputError(f"the {name} is {made}", f"Give {least} or more.")
    return made


def seed_of(given: Any) -> int:
    """A seed; of a generator one that is drawn from it.

    Raises:
        BadInputError: It is neither that nor a whole number from 0 up.
    """
    if isinstance(given, np.random.Generator):
        return int(given.integers(2**63))
    made = whole_number(given, "seed")
    if made >= 2**127:
        raise BadInputError(f"the seed is {made}", "Give less than 2**127.")
    return made


def share_of(given: Any, name: str) -> float:
    """A number from 0 to 1.

    Raises:
        BadInputError: It is none.
    """
    try:
        made = float(given)
    except (TypeError, ValueError):
        made = np.nan
    if not 0 <= made <= 1 or isinstance(given, str):
        raise BadInputError(f"the {name} is {given!r}", "Give a number from 0 to 1.")
    return made


def features_of(given: Any, rows: int) -> np.ndarray | None:
    """(n, d) numbers, each row finite and of a length whose square float32 can hold.

    Arrays and memory maps stay what they are; lists and tensors on the CPU become arrays.

    Raises:
        BadInputError: They are no such matrix; the first bad row is named.
    """
    if given is None:
        return None
    made = _numbers(given, "features", "Give a matrix (rows, dimensions) of numbers.")
    if made.ndim != 2 or len(made) != rows or not made.shape[1]:
        raise BadInputError(
            f"{rows:,} ids, but features of shape {made.shape}",
            "Give a matrix (rows, dimensions).",
        )
    limit = LONGEST / np.sqrt(made.shape[1])
    for start in range(0, rows, BLOCK):
        part = np.asarray(made[start : start + BLOCK])
        largest = np.abs(part).max(axis=1)
        bad = np.flatnonzero(~(largest <= limit))  # NaN is not below it either
        if not len(bad):
            continue
        row = start + int(bad[0])
        if np.isfinite(part[bad[0]]).all():
            raise BadInputError(
                f"the features of row {row} go up to {largest[bad[0]]:g}, more than the "
                f"{limit:g} that products in float32 can bear",
                "Divide all features by one number.",
            )
        raise BadInputError(
            f"the features of row {row} hold NaN or infinity", "Leave such rows out."
        )
    return made


def scores_of(given: Any, rows: int) -> np.ndarray | None:
    """(n,) finite float64.

    Raises:
        BadInputError: They are not; the first bad row is named.
    """
    if given is None:
        return None
    made = _numbers(given, "scores", "Give a number for each id.")
    if made.shape != (rows,):
        raise BadInputError(
            f"{rows:,} ids, but scores of shape {made.shape}", "Give one for each id."
        )
    exact = made.astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(exact))
    if len(bad):
        raise BadInputError(
            f"the score of row {bad[0]} is {exact[bad[0]]} ({len(bad):,} such rows)",
            "Leave such rows out.",
        )
    return exact


def labels_of(given: Any, rows: int) -> tuple[np.ndarray | None, list[Any]]:
    """(n,) classes as whole numbers from 0 up, in the order of their names; and the names.

    Raises:
        BadInputError: There is not one for each row.
    """
    if given is None:
        return None, []
    each = _sequence(given)
    if each is None or any(isinstance(one, list | np.ndarray) for one in each[:1]):
        raise BadInputError(
            f"labels are {_told(given)}",
            "Give a sequence, one class for each id (of one column per class: its argmax).",
        )
    if len(each) != rows:
        raise BadInputError(f"{rows:,} ids, but {len(each):,} labels", "Give one for each id.")
    missing = next((row for row, one in enumerate(each) if one is None or one != one), None)
    if missing is not None:
        raise BadInputError(f"row {missing} has no label", "Leave such rows out, or name a class.")
    names = sorted(set(each), key=lambda one: (str(type(one)), one))
    place = {name: number for number, name in enumerate(names)}
    return np.array([place[one] for one in each], dtype=np.int64), names


def located(options: Mapping[str, Any], names: np.ndarray) -> np.ndarray:
    """Positions of the ids that are selected already.

    Raises:
        BadInputError: One is not in the pool.
    """
    wanted = _sequence(options.get("selected", ()))
    if wanted is None:
        raise BadInputError(
            f"selected is {_told(options['selected'])}", "Give a sequence of ids of the pool."
        )
    place = {name: row for row, name in enumerate(names.tolist())} if wanted else {}
    lost = next((one for one in wanted if not isinstance(one, Hashable) or one not in place), None)
    if lost is not None:
        raise BadInputError(f"selected: there is no id {lost!r}", "Name ids of the pool.")
    return np.array([place[one] for one in dict.fromkeys(wanted)], dtype=np.int64)


def refuse_missing(found: Method, **given: Any) -> None:
    """A method has all that it needs.

    Raises:
        BadInputError: Something is not there.
    """
    for need in sorted(found.needs):
        if given[need] is None:
            raise BadInputError(
                f"method {found.name!r} needs {need}", "Give them, or choose another method."
            )


def _sequence(given: Any) -> list[Any] | None:
    """Its members, those of numpy's kinds as Python's; ``None``: it is no flat sequence."""
    if isinstance(given, str | bytes) or not hasattr(given, "__len__"):
        return None
    if isinstance(given, list | tuple):
        return [one.item() if isinstance(one, np.generic) else one for one in given]
    array = np.asarray(given)
    return array.tolist() if array.ndim == 1 else None


def _numbers(given: Any, name: str, remedy: str) -> np.ndarray:
    """As an array of integers or floats."""
    try:
        made = given if isinstance(given, np.ndarray) else np.asarray(given)
    except (TypeError, ValueError, RuntimeError):  # rows of unlike lengths; tensors of a GPU
        raise BadInputError(f"{name} are {_told(given)} and make no array", remedy) from None
    if made.dtype.kind not in "iuf":
        raise BadInputError(f"{name} are {_told(given)}: {made.dtype}", remedy)
    return made


def _told(given: Sequence[Any]) -> str:
    """What was given, in a few words."""
    if isinstance(given, str | bytes):
        return f"the text {given[:40]!r}"
    shape = f" of shape {given.shape}" if isinstance(given, np.ndarray) else ""
    return f"of type {type(given).__name__}{shape}"
