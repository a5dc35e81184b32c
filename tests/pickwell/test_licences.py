"""Which licences have to be looked at before samples are passed on."""

import pytest

from pickwell.licences import judge_licence


@pytest.mark.parametrize(
    ("stated", "confirm", "word"),
    [
        ("cc-by-nd-4.0", True, "unchanged"),
        ("cc-by-nc-nd-4.0", True, "unpaid"),
        ("CC-BY-ND-3.0", True, "unchanged"),
        ("other", True, "not known"),
        ("unknown", True, "not known"),
        (None, True, "not known"),
        ([], True, "not known"),
        ("", True, "not known"),
        (["cc-by-4.0", "cc-by-nd-4.0"], True, "unchanged"),
        ("cc-by-nc-4.0", False, "no commercial use"),
        ("cc-by-nc-sa-4.0", False, "same licence"),
        ("cc-by-sa-4.0", False, "same licence"),
        ("cc-by-4.0", False, "names are to be kept"),
        ("cc0-1.0", False, ""),
        ("apache-2.0", False, ""),
        (["mit"], False, ""),
        (["mit", "cc-by-nc-4.0"], False, "no commercial use"),
        (["cc-by-4.0", "cc-by-nc-4.0"], False, "no commercial use"),
        (["cc-by-4.0", None], True, "not known"),
        ("CC BY-NC-ND 4.0", True, "unpaid"),
        (" cc_by nd ", True, "unchanged"),
    ],
)
def test_verdicts(stated, confirm, word):
    verdict = judge_licence(stated)
    assert verdict.confirm is confirm and word in verdict.words
    assert bool(verdict.words) == bool(word)
