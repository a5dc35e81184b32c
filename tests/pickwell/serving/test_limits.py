import pytest

from data_cards import BadInputError
from pickwell.serving.limits import parse_size
from pickwell.serving.run import is_local


@pytest.mark.parametrize(
    ("text", "size"), [("32MiB", 32 * 2**20), ("500 kB", 500_000), ("7", 7), ("1gib", 2**30)]
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "many", "-1", "1.5MB", "3 parsecs"])
def test_no_sizes(text):
    with pytest.raises(BadInputError, match="no size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("a.b", False)],
)
def test_who_can_reach_an_address(host, local):
    assert is_local(host) == local
