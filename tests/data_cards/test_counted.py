from data_cards.counted import counted


def test_one_and_many():
    assert counted(1, "row") == "1 row"
    assert counted(0, "row") == "0 rows"
    assert counted(4297, "row") == "4,297 rows"
    assert [counted(n, "entry", "entries") for n in (1, 2)] == ["1 entry", "2 entries"]
