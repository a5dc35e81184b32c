"""Training of the projector: rows, losses, first guess, resumption and figures."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data_cards import BadInputError
from data_cards.demo.captioned import CaptionedImage, make_texts
from data_cards.demo.disjoint import pool_hashes
from data_cards.demo.sources import missing_sources
from data_cards.demo.split import normalise, split_items
from finetune.models.embedded import drawn_projector
from finetune.models.evaluate_projector import WRONG, answer_losses, figures, shuffled
from finetune.models.processor import IMAGE_TOKENS, build_processor
from finetune.models.projector import FOLDER
from finetune.models.train_losses import FrozenReader
from finetune.models.train_pairs import Asked, ask_all, pair_hashes, pool_answers, thinned
from finetune.models.train_projector import HASHES, Phase, Recipe, train
from finetune.models.train_rows import Chat, batches, collate, make_rows
from finetune.models.train_words import WordRecipe, fit_words, word_targets
from scoring.smollm2 import weights_folder

WIDTH, SEEN = 32, 24


@pytest.fixture(scope="module")
def processor():
    try:
        return build_processor(weights_folder())
    except BadInputError as error:
        pytest.skip(f"the embedded models are not installed: {error.message}")


@pytest.fixture(scope="module")
def chat(processor):
    return Chat(processor)


@pytest.fixture(scope="module")
def tiny():
    """A tiny language model with SmolLM2's vocabulary, in the places where FastVLM has it."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=49152,
        hidden_size=WIDTH,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        whole = LlamaForCausalLM(config).eval()
    return SimpleNamespace(
        model=SimpleNamespace(language_model=whole.model), lm_head=whole.lm_head, whole=whole
    )


def asked_about(picture, *kinds):
    answers = {
        "caption": ("What is shown?", f"A small wolf, number {picture}."),
        "keywords": ("Keywords?", "wolf, animal, grey"),
        "choice": ("A wolf or an owl?", "It is a wolf."),
        "explain": ("Explain this.", "This filter makes an image blurry in the most basic way."),
    }
    return [Asked(picture, kind, *answers[kind]) for kind in kinds]


def some_questions(pictures=6):
    return [
        one
        for picture in range(pictures)
        for one in asked_about(picture, *("caption", "keywords", "choice")[: picture % 3 + 1])
    ]


def small_projector(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return torch.nn.Sequential(
            torch.nn.Linear(SEEN, WIDTH), torch.nn.GELU(), torch.nn.Linear(WIDTH, WIDTH)
        )


def small_features(pictures=6, views=2):
    drawn = np.random.default_rng(0).random((pictures, views, IMAGE_TOKENS, SEEN))
    return drawn.astype(np.float16)


def test_a_row_of_questions_has_the_losses_of_separate_chats(tiny, chat, processor):
    projector, features = small_projector(), small_features()
    rows = make_rows(chat, some_questions())
    reader = FrozenReader(tiny, chat.image_start, dtype="float32")
    batch = collate(chat, rows, pad=2)
    seen = projector(torch.from_numpy(features[[row.picture for row in rows], 0]).float())
    losses, owner = reader.token_losses(batch, seen)
    for number, segment in enumerate(batch.segments):
        asked = segment.asked
        turns = [
            {
                "role": "user",
                "content": [{"type": "image"}, {"type": "text", "text": asked.prompt}],
            },
            {"role": "assistant", "content": [{"type": "text", "text": asked.answer}]},
        ]
        text = processor.apply_chat_template(turns).removesuffix("\n")
        text = text.replace("<image>", "<image>" * IMAGE_TOKENS)
        ids = torch.tensor([processor.tokenizer(text, add_special_tokens=False)["input_ids"]])
        embeds = tiny.model.language_model.embed_tokens(ids)
        place = [row.picture for row in rows].index(asked.row)
        embeds = embeds.masked_scatter((ids == processor.image_token_id)[..., None], seen[place])
        answer = processor.tokenizer(asked.answer + "<|im_end|>")["input_ids"]
        logits = tiny.whole(inputs_embeds=embeds).logits[0, -len(answer) - 1 : -1]
        alone = torch.nn.functional.cross_entropy(logits, torch.tensor(answer), reduction="none")
        assert torch.allclose(losses[owner == number], alone, atol=1e-4)


def test_only_the_answer_and_its_end_are_counted(chat, processor):
    (row,) = make_rows(chat, asked_about(0, "caption", "choice"))
    batch = collate(chat, [row], pad=2)
    counted = batch.targets[batch.targets != -100]
    text = processor.tokenizer.decode(counted)
    assert text == "A small wolf, number 0.<|im_end|>It is a wolf.<|im_end|>"


def test_no_question_sees_another(chat):
    (row,) = make_rows(chat, asked_about(0, "caption", "choice"))
    batch = collate(chat, [row], pad=2)
    head, first = len(chat.prefix), len(row.segments[0].tokens)
    mask, positions = batch.mask[0, 0], batch.positions[0]
    assert not mask[head + first :, head : head + first].any()
    assert mask[head + first :, :head].all()
    assert not mask.triu(1).any()
    assert positions[head] == positions[head + first] == head


@settings(max_examples=20)
@given(st.integers(1, 12), st.integers(80, 900), st.integers(0, 3))
def test_batches_hold_every_row_once_within_the_budget(chat, pictures, tokens, seed):
    rows = make_rows(chat, some_questions(pictures))
    grouped = batches(rows, tokens, len(chat.prefix), seed)
    again = batches(rows[::-1], tokens, len(chat.prefix), seed)
    assert grouped == again
    assert sorted(row.picture for batch in grouped for row in batch) == list(range(pictures))
    for batch in grouped:
        padded = len(batch) * (len(chat.prefix) + max(row.length for row in batch))
        assert padded <= tokens or len(batch) == 1


def test_long_rows_are_divided_and_nothing_is_lost(chat):
    asked = asked_about(0, "caption", "keywords", "choice", "explain")
    rows = make_rows(chat, asked, longest=40)
    assert len(rows) > 1 and {row.picture for row in rows} == {0}
    assert [s.asked for row in rows for s in row.segments] == asked


def run(tiny, chat, checkpoint, steps, until=None):
    projector = small_projector()
    phase, recipe = Phase(200, 99, 1e-2, 2, 3, long_share=1.0, seed=0), Recipe()
    reader = FrozenReader(tiny, chat.image_start, dtype="float32")

    def stop(*_):
        raise KeyboardInterrupt

    if until is not None:
        halted = SimpleNamespace(token_losses=reader.token_losses, calls=0)

        def counted(*arguments):
            halted.calls += 1
            return stop() if halted.calls > until else reader.token_losses(*arguments)

        with pytest.raises(KeyboardInterrupt):
            train(
                projector,
                SimpleNamespace(token_losses=counted),
                chat,
                small_features(),
                steps,
                phase,
                recipe,
                checkpoint,
                pad=2,
                every=2,
            )
        projector = small_projector(seed=9)
    losses = train(
        projector, reader, chat, small_features(), steps, phase, recipe, checkpoint, pad=2, every=2
    )
    return losses, projector.state_dict()


def test_stopped_training_goes_on_to_the_same_weights(tiny, chat, tmp_path):
    rows = make_rows(chat, some_questions())
    steps = [tuple(batch) for batch in batches(rows, 200, len(chat.prefix), 0)] * 3
    assert len(steps) >= 6
    whole, expected = run(tiny, chat, tmp_path / "whole.pt", steps)
    resumed, found = run(tiny, chat, tmp_path / "halted.pt", steps, until=5)
    assert resumed == whole
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert np.mean(whole[-3:]) < np.mean(whole[:3])


def item(number, caption, source="cards", **texts):
    made = make_texts(("caption", caption), *((kind, text) for kind, text in texts.items()))
    return CaptionedImage(source, f"{number}", None, b"", made, "animals", "CC0-1.0")


def test_words_are_those_said_of_several_pictures(processor):
    items = [item(n, "A wolf", keywords=f"grey, thing{n}x") for n in range(3)]
    vocabulary, said = word_targets([*items, item(3, "?!")], processor.tokenizer)
    words = [processor.tokenizer.decode(token) for token in vocabulary]
    assert {" wolf", " grey", " a"} <= set(words)
    assert said[3] == []
    assert [vocabulary[i] for i in said[0]] == sorted(vocabulary[i] for i in said[0])


def test_the_first_guess_learns_planted_words():
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 4, 80)
    features = rng.random((80, 2, IMAGE_TOKENS, SEEN)) * 0.2
    features[np.arange(80), :, :, kinds] += 2
    embeddings = torch.from_numpy(rng.normal(size=(4, WIDTH))).float()
    recipe = WordRecipe(epochs=20, batch=16, rate=1e-2, dropout=0.0)
    projector, again = small_projector(), small_projector()
    targets = [[kind] for kind in kinds.tolist()]
    losses = fit_words(projector, features.astype(np.float16), targets, embeddings, recipe, 0)
    assert losses[0] > 0.8 and losses[-1] < 0.1
    assert fit_words(again, features.astype(np.float16), targets, embeddings, recipe, 0) == losses


def test_a_shuffled_picture_is_another_one_of_its_source():
    items = [item(n, f"thing {n}", source="ab"[n % 2]) for n in range(7)]
    other = shuffled([*items, item(7, "alone", source="c")])
    assert all(other[row] != row for row in range(8))
    assert all(items[row].source == items[other[row]].source for row in range(7))
    assert sorted(other[:7].tolist()) == list(range(7))


def test_figures_worked_by_hand():
    own = {
        (0, "caption"): (2.0, 2),
        (0, WRONG): (9.0, 3),
        (0, "choice"): (1.0, 1),
        (1, "caption"): (8.0, 2),
        (1, WRONG): (3.0, 3),
    }
    other = {**own, (0, "caption"): (4.0, 2), (1, "caption"): (10.0, 2)}
    found = figures({"own picture": own, "shuffled picture": other, "untrained": own}, 2)
    assert found["nll"]["own picture"][0] == pytest.approx(11 / 5)
    assert found["nll"]["shuffled picture"][0] == pytest.approx(15 / 5)
    # Drawing two of two pictures: only the first, only the second, or both.
    assert found["nll"]["own picture"][1:] == (1.0, 4.0)
    assert found["right caption"]["own picture"][0] == 0.5
    assert found["right picture"][0] == 1.0


def test_answer_losses_name_every_answer(tiny, chat):
    asked = some_questions()
    rows = make_rows(chat, asked)
    reader = FrozenReader(tiny, chat.image_start, dtype="float32")
    features = small_features()[:, 0]
    found = answer_losses(reader, small_projector(), chat, features, rows, 2)
    assert set(found) == {(one.row, one.kind) for one in asked}
    assert all(total > 0 and tokens > 1 for total, tokens in found.values())


def test_one_in_three_long_answers_is_kept():
    asked = [one for n in range(300) for one in asked_about(n, "caption", "explain")]
    kept = thinned(asked, 0)
    assert sum(one.kind == "caption" for one in kept) == 300
    assert 70 < sum(one.kind == "explain" for one in kept) < 130
    assert kept == thinned(asked, 0) != thinned(asked, 1)


def test_the_tower_is_as_wide_as_the_drawn_projector():
    assert drawn_projector(0)["linear_1.weight"].shape == (576, 1280)


@pytest.fixture(scope="module")
def whole_packages(packages):
    if missing_sources(packages):
        pytest.skip(f"packages are missing for {missing_sources(packages)}")
    return packages


def test_no_question_of_the_training_is_answered_in_the_pool(whole_packages):
    forbidden = pool_answers(whole_packages)
    split = split_items(whole_packages)
    items = split.parts["train"][:300]
    asked = ask_all(whole_packages, items, 0, forbidden)
    assert len(asked) > 300
    assert not forbidden & {normalise(one.answer) for one in asked}
    assert all(item.source != "tuxpaint" for item in split.parts["train"])


def test_what_the_projector_was_trained_on_shares_nothing_with_the_pool(whole_packages):
    from pathlib import Path

    pool = Path(__file__).parents[2] / ".demo" / "pool"
    if not (pool / "pool.json").is_file():
        pytest.skip("the demo pool is not built (make demo-data)")
    with np.load(FOLDER / HASHES, allow_pickle=False) as trained:
        images, texts = trained["image"], trained["text"]
    found = pool_hashes(pool)
    assert len(images) > 2000 and len(texts) > 2000
    assert not np.intersect1d(images, found.image).size
    assert not np.intersect1d(texts, found.text).size
    split = split_items(whole_packages)
    hashes = [split.hashes[i.source, i.key] for i in split.parts["train"]]
    assert np.array_equal(pair_hashes(hashes, [])["image"], images)
