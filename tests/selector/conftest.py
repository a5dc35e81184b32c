"""Small pools with known structure."""

from collections.abc import Callable

import numpy as np
import pytest

from selector.selection import Candidates


def build_pool(
    n: int,
    *,
    seed: int = 0,
    dim: int = 12,
    groups: int = 5,
    noise: float = 0.5,
    text: bool = True,
    image: bool = True,
    **fields: object,
) -> Candidates:
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((groups, dim))
    member = rng.integers(groups, size=n)

    def vectors() -> np.ndarray:
        x = centres[member] + noise * rng.standard_normal((n, dim))
        return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float16)

    values: dict[str, object] = {
        "ids": np.array([f"s{i}" for i in range(n)], dtype=object),
        "quality": rng.random(n),
        "refused": np.full(n, None, dtype=object),
        "failed": np.zeros(n, dtype=bool),
        "image_vectors": vectors() if image else None,
        "text_vectors": vectors() if text else None,
    }
    return Candidates(**{**values, **fields})  # type: ignore[arg-type]


def permute(pool: Candidates, order: np.ndarray) -> Candidates:
    def take(value: np.ndarray | None) -> np.ndarray | None:
        return None if value is None else value[order]

    return Candidates(
        *(
            take(getattr(pool, name))  # type: ignore[arg-type]
            for name in (
                "ids",
                "quality",
                "refused",
                "failed",
                "image_vectors",
                "text_vectors",
                "content",
            )
        )
    )


@pytest.fixture(scope="session")
def make_pool() -> Callable[..., Candidates]:
    return build_pool


@pytest.fixture(scope="session")
def permuted() -> Callable[[Candidates, np.ndarray], Candidates]:
    return permute
