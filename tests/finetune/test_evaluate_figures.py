import pyarrow as pa
import pytest

from finetune.evaluate.figures import differences, figures, same_tokens
from finetune.evaluate.plan import Options
from finetune.evaluate.rows import ROWS

OPTIONS = Options(draws=300)


def table(rows):
    plain = {"status": "ok", "source": "s"}
    return pa.Table.from_pylist(
        [{"id": f"r{n}", **plain, **row} for n, row in enumerate(rows)], schema=ROWS
    )


def scored(right, wrong, blind_right, blind_wrong, tokens=2, wrong_tokens=2, nll=1.0):
    return {
        "nll": nll,
        "tokens": tokens,
        "text_nll": nll,
        "text_tokens": tokens,
        "blind_nll": nll + 0.5,
        "wrong_tokens": wrong_tokens,
        **{
            f"{name}_{kind}": value * (1 if kind == "mean" else size)
            for name, value, size in (
                ("right", right, tokens),
                ("wrong", wrong, wrong_tokens),
                ("blind_right", blind_right, tokens),
                ("blind_wrong", blind_wrong, wrong_tokens),
            )
            for kind in ("mean", "total")
        },
    }


def test_figures_worked_by_hand():
    rows = table(
        [
            scored(-1, -2, -2, -1, tokens=4, wrong_tokens=1, nll=1.0),
            scored(-1, -2, -1, -2, tokens=1, wrong_tokens=1, nll=3.0),
            {"nll": 9.0, "tokens": 5, "text_nll": 9.0, "text_tokens": 5},  # without an image
            {"status": "bad", "error": "too long"},
        ]
    )
    found = figures(rows, ["a", "b", "c", "d"], OPTIONS)
    assert found["nll"].value == pytest.approx((4 + 3 + 45) / 10)
    assert found["nll_per_sample"].value == pytest.approx(13 / 3)
    assert found["nll"].samples == 3
    assert found["nll_image_gain"].value == pytest.approx(0.5)
    assert found["two_choice_mean"].value == 1
    assert found["two_choice_mean"].samples == 2
    assert found["two_choice_mean_blind"].value == 0.5
    assert found["two_choice_mean_image_gain"].value == 0.5
    # By total, -4 against -2 is lost: the right response is longer.
    assert found["two_choice_total"].value == 0.5
    assert found["two_choice_shorter"].value == pytest.approx(0.25)
    assert found["exact"].value is None
    assert found["exact"].low is None


def test_data_without_any_image_are_compared_by_text_alone():
    row = {
        name: value for name, value in scored(-1, -2, 0, 0).items() if not name.startswith("blind")
    }
    found = figures(table([row, row]), ["a", "b"], OPTIONS)
    assert found["two_choice_mean"].value == 1
    assert found["two_choice_mean_blind"].value is None


def test_short_answers_stand_beside_their_chance():
    rows = [
        {
            "short": True,
            "reference": f"thing {n % 5}",
            "generated": f"thing {n % 5}" if n % 2 else "dunno",
            "exact": bool(n % 2),
            "contained": bool(n % 2),
            "contained_cut": bool(n % 2),
            "finished": n != 3,
            "output_words": 2 - (n % 2 == 0),
            "reference_words": 2,
        }
        for n in range(40)
    ]
    found = figures(table(rows), list(range(40)), OPTIONS)
    assert found["exact"].value == 0.5
    assert 0 < found["exact"].chance < 0.2
    assert found["exact"].low > found["exact"].chance
    assert found["output_words"].value == 1.5
    assert found["unfinished"].value == pytest.approx(1 / 40)


def test_differences_are_paired_and_know_which_way_is_better():
    before = table([scored(-1, -2, -1, -2, nll=2.0 + n / 10) for n in range(30)])
    after = table([scored(-1, -2, -1, -2, nll=1.9 + n / 10) for n in range(30)])
    clusters = list(range(30))
    gaps = differences(after, before, clusters, OPTIONS)
    assert gaps["nll"].value == pytest.approx(-0.1)
    assert gaps["nll"].verdict == "better"
    assert differences(before, after, clusters, OPTIONS)["nll"].verdict == "worse"
    assert gaps["two_choice_mean"].verdict == "no difference shown"
    assert gaps["exact"].value is None
    assert same_tokens(before, after)
    longer = table([scored(-1, -2, -1, -2, tokens=3) for _ in range(30)])
    assert not same_tokens(before, longer)
    # A difference that never occurred among thirty may occur in a ninth (Clopper-Pearson).
    assert gaps["two_choice_mean"].value == 0
    assert gaps["two_choice_mean"].high == pytest.approx(0.1157, abs=1e-3)
    assert gaps["two_choice_mean"].low == -gaps["two_choice_mean"].high
    # Only samples that both measured count.
    broken = table([{"status": "bad"}] * 10 + [scored(-1, -2, -1, -2, nll=5.0)] * 20)
    assert differences(after, broken, clusters, OPTIONS)["nll"].samples == 20


def test_five_images_give_no_verdict_and_six_do():
    before = [scored(-1, -2, -1, -2, nll=2.0) for _ in range(6)]
    after = [scored(-1, -2, -1, -2, nll=1.0 + n / 100) for n in range(6)]
    for size, verdict in ((5, "not known"), (6, "better")):
        rows = table(after[:size]), table(before[:size])
        gap = differences(*rows, list(range(size)), OPTIONS)["nll"]
        assert gap.verdict == verdict
        assert gap.high < 0
    # Six samples of two images are no more than two.
    gap = differences(table(after), table(before), [0, 0, 0, 1, 1, 1], OPTIONS)["nll"]
    assert (gap.samples, gap.clusters, gap.verdict) == (6, 2, "not known")


def test_a_gain_that_never_occurred_may_also_be_a_loss():
    rows = table([scored(-1, -2, -1, -2) for _ in range(10)])
    gain = figures(rows, list(range(10)), OPTIONS)["two_choice_mean_image_gain"]
    assert gain.value == 0
    assert gain.low == -gain.high < 0


def test_a_difference_is_that_of_each_sample_with_itself():
    noise = [n * 1.7 % 5 for n in range(40)]
    before = table([scored(-1, -2, -1, -2, nll=2 + value) for value in noise])
    after = table([scored(-1, -2, -1, -2, nll=1.9 + value) for value in noise])
    turned = table([scored(-1, -2, -1, -2, nll=1.9 + value) for value in noise[::-1]])
    assert differences(after, before, list(range(40)), OPTIONS)["nll"].verdict == "better"
    # The same two means without the pairs show nothing.
    gap = differences(turned, before, list(range(40)), OPTIONS)["nll"]
    assert gap.value == pytest.approx(-0.1)
    assert gap.verdict == "no difference shown"


def test_the_order_of_the_rows_has_no_influence():
    rows = [scored(-1, -1 - n % 2, -1, -2, nll=float(n)) for n in range(20)]
    clusters = [n // 2 for n in range(20)]
    plain = figures(table(rows), clusters, OPTIONS)
    turned = figures(table(rows[::-1]), clusters[::-1], OPTIONS)
    for name in ("nll", "two_choice_mean"):
        assert plain[name].low == pytest.approx(turned[name].low)
        assert plain[name].high == pytest.approx(turned[name].high)
