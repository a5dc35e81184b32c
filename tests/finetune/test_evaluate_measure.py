from dataclasses import replace

import pytest
import torch

from data_cards import ImageRef
from data_cards.errors import BadInputError
from finetune.evaluate import measure as measuring
from finetune.evaluate.figures import differences, figures
from finetune.evaluate.measure import measure
from finetune.evaluate.plan import Options, make_cases
from finetune.evaluate.rows import make_rows
from finetune.evaluate.stores import open_stores

OPTIONS = Options(short_words=5, generations=4, max_new_tokens=6, draws=200)


@pytest.fixture(scope="module")
def vlm(vlm_folder):
    from finetune.models.load import load_vlm

    return load_vlm(str(vlm_folder("llava")), device="cpu")


def run(vlm, samples, folder, options=OPTIONS):
    cases = make_cases(samples, options)
    stores = open_stores(folder, vlm, options)
    effort = measure(cases, vlm, stores, options)
    return cases, make_rows(cases, stores, options), effort


def test_broken_samples_are_named_and_hurt_nobody(vlm, samples, make_sample, tmp_path):
    good = samples[:8]
    bad = [
        replace(make_sample(30), images=(ImageRef("gone.png", data=b"not an image"),)),
        replace(make_sample(31), images=(ImageRef("x", error="image leaves the folder"),)),
        replace(make_sample(32), error="the record is a number"),
        make_sample(33, ("user", "what?"), ("assistant", "word " * 2000)),
        make_sample(34, ("user", "what <image> is"), ("assistant", "a square")),
    ]
    _, alone, _ = run(vlm, good, tmp_path / "a")
    _, mixed, _ = run(vlm, [*bad, *good], tmp_path / "b")
    rows = {row["id"]: row for row in mixed.to_pylist()}
    for sample, words in zip(
        bad,
        ("not an image", "leaves the folder", "is a number", "too long", "special token"),
        strict=True,
    ):
        assert rows[sample.id]["status"] == "bad"
        assert words in rows[sample.id]["error"]
        assert rows[sample.id]["nll"] is None
    for row in alone.to_pylist():
        assert rows[row["id"]]["nll"] == pytest.approx(row["nll"], abs=1e-5)


def test_a_killed_run_goes_on_and_a_second_one_computes_nothing(
    vlm, samples, tmp_path, monkeypatch
):
    monkeypatch.setattr(measuring, "_SHARD", 5)
    cases = make_cases(samples, OPTIONS)
    stores = open_stores(tmp_path, vlm, OPTIONS)
    done = []

    def killed(count):
        done.append(count)
        if count >= 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(cases, vlm, stores, OPTIONS, killed)
    assert done == sorted(set(done)) and done[0] == 0 and done[-1] == 10
    assert len(done) > 3  # not only when all of a shard are stored
    again = open_stores(tmp_path, vlm, OPTIONS)
    seen = []
    effort = measure(cases, vlm, again, OPTIONS, seen.append)
    assert seen[0] == 10 and seen[-1] == 20
    assert seen == sorted(set(seen))
    assert 0 < effort.replies < 4 * 20
    rows = make_rows(cases, again, OPTIONS)
    assert set(rows["status"].to_pylist()) == {"ok"}
    _, whole, full = run(vlm, samples, tmp_path / "other")
    assert full.replies > effort.replies
    for mine, theirs in zip(rows.to_pylist(), whole.to_pylist(), strict=True):
        assert mine["nll"] == pytest.approx(theirs["nll"], abs=1e-5)
        assert mine["generated"] == theirs["generated"]
    idle = measure(cases, vlm, open_stores(tmp_path, vlm, OPTIONS), OPTIONS)
    assert (idle.replies, idle.outputs, idle.images) == (0, 0, 0)


def test_another_model_or_limit_has_a_store_of_its_own(vlm, tmp_path):
    first = open_stores(tmp_path, vlm, OPTIONS)
    other = open_stores(tmp_path, replace(vlm, key="other"), OPTIONS)
    shorter = open_stores(tmp_path, vlm, replace(OPTIONS, max_tokens=100))
    longer = open_stores(tmp_path, vlm, replace(OPTIONS, max_new_tokens=7))
    assert len({s.likelihoods.folder for s in (first, other, shorter)}) == 3
    assert longer.likelihoods.folder == first.likelihoods.folder
    assert longer.outputs.folder != first.outputs.folder


def test_the_image_is_run_once_for_all_that_is_asked_about_it(vlm, make_sample, tmp_path):
    one = make_sample(1)
    samples = [
        replace(
            make_sample(n, ("user", f"what is {n}?"), ("assistant", f"a square of {n}")),
            images=one.images,
        )
        for n in range(6)
    ]
    samples.append(make_sample(40))
    cases, rows, effort = run(vlm, samples, tmp_path)
    assert effort.images == 2
    assert effort.way == "padded"
    assert len({case.cluster for case in cases}) == 2
    found = figures(rows, [case.cluster for case in cases], OPTIONS)
    assert found["nll"].samples == 7 and found["nll"].clusters == 2
    # Samples of one image are never each other's wrong response.
    assert {row["wrong"] for row in rows.to_pylist()[:6]} == {samples[6].response}


def test_what_is_asked_without_the_image_is_asked_once(vlm, make_sample, tmp_path):
    """Without the image, one's wrong response is another's right one to the same question."""
    samples = [
        make_sample(n, ("user", "what is it?"), ("assistant", f"a square of {n % 3}"))
        for n in range(6)
    ]
    cases, rows, effort = run(vlm, samples, tmp_path, replace(OPTIONS, generate=False))
    blind = {key for c in cases for name, key in c.reply_keys.items() if name.startswith("blind")}
    assert len(blind) == 3
    assert effort.replies == 6 * 2 + 3
    by_answer = {}
    for case, row in zip(cases, rows.to_pylist(), strict=True):
        by_answer.setdefault(case.sample.response, row["blind_right_total"])
        assert row["blind_right_total"] == by_answer[case.sample.response]
        assert row["right_total"] != row["blind_right_total"]
    for row in rows.to_pylist():
        assert row["blind_wrong_total"] == by_answer[row["wrong"]]
    # Seen is what was seen before, whatever blindness means.
    blank = replace(OPTIONS, generate=False, blind="blank")
    assert run(vlm, samples, tmp_path, blank)[2].replies == 6 * 2


def test_a_broken_image_does_not_spoil_the_others_blind_likelihood(vlm, make_sample, tmp_path):
    said = (("user", "what is it?"), ("assistant", "a square"))
    broken = replace(make_sample(1, *said), images=(ImageRef("gone.png", data=b"nothing"),))
    samples = [broken, make_sample(2, *said), make_sample(3)]
    _, rows, _ = run(vlm, samples, tmp_path)
    one, two, _ = rows.to_pylist()
    assert one["status"] == "bad" and "gone.png" in one["error"]
    assert two["status"] == "ok" and two["blind_nll"] is not None


def test_a_wrong_response_that_is_the_right_one_does_not_count(vlm, samples, tmp_path):
    given = {samples[0].id: f" {samples[0].response.upper()}!", samples[1].id: "a grey nothing"}
    cases = make_cases(samples[:3], OPTIONS, given)
    assert (cases[0].wrong, cases[1].wrong) == (None, "a grey nothing")
    assert "is the right one" in cases[0].note
    assert cases[2].wrong is not None


def test_too_little_memory_is_said_with_a_remedy(vlm, samples, tmp_path, monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(measuring.Scorer, "score", full)
    cases = make_cases(samples[:2], OPTIONS)
    with pytest.raises(BadInputError, match="--batch-size below 8"):
        measure(cases, vlm, open_stores(tmp_path, vlm, OPTIONS), OPTIONS)


def test_blank_images_keep_the_tokens_of_the_image(vlm, samples, tmp_path):
    blank = replace(OPTIONS, blind="blank", generate=False)
    _, rows, effort = run(vlm, samples[:4], tmp_path, blank)
    assert effort.images == 5  # four images, and one blank of their common size
    first = rows.to_pylist()[0]
    _, without, _ = run(vlm, samples[:4], tmp_path, replace(blank, blind="without"))
    assert first["blind_nll"] != without.to_pylist()[0]["blind_nll"]
    assert first["nll"] == pytest.approx(without.to_pylist()[0]["nll"], abs=1e-6)


def test_rows_agree_with_the_figures(vlm, samples, tmp_path):
    cases, rows, _ = run(vlm, samples, tmp_path)
    clusters = [case.cluster for case in cases]
    found = figures(rows, clusters, OPTIONS)
    lines = rows.to_pylist()
    tokens = sum(row["tokens"] for row in lines)
    assert found["nll"].value == pytest.approx(
        sum(row["nll"] * row["tokens"] for row in lines) / tokens
    )
    right = [row["right_mean"] > row["wrong_mean"] for row in lines]
    assert found["two_choice_mean"].value == pytest.approx(sum(right) / 20)
    assert found["two_choice_mean_image_gain"].value == pytest.approx(
        found["two_choice_mean"].value - found["two_choice_mean_blind"].value
    )
    for row in lines:
        assert row["right_total"] == pytest.approx(-row["nll"] * row["tokens"])
    assert sum(row["generated"] is not None for row in lines if not row["short"]) <= 4
    gaps = differences(rows, rows, clusters, OPTIONS)
    for gap in gaps.values():
        assert gap.value in (0.0, None)
        assert gap.verdict in ("no difference shown", "not known")


def test_models_without_a_template_are_refused(vlm, samples, tmp_path):
    class Bare:
        tokenizer = vlm.processor.tokenizer
        chat_template = None

    bare = replace(vlm, processor=Bare())
    cases = make_cases(samples[:2], OPTIONS)
    with pytest.raises(BadInputError, match="no chat template"):
        measure(cases, bare, open_stores(tmp_path, vlm, OPTIONS), OPTIONS)


def test_repeated_ids_are_refused(samples):
    with pytest.raises(BadInputError, match="an id stands on two rows"):
        make_cases([samples[0], samples[0]], OPTIONS)
