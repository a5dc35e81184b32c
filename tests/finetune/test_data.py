import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_cards import BadInputError, BadRowError, ImageRef, Sample, Turn
from finetune.data import chat, data_hash, prepare
from finetune.order import EpochOrder
from finetune.responses import IGNORED

TWO_TURNS = (
    ("user", "What is shown?"),
    ("assistant", "a red"),
    ("user", "of what"),
    ("assistant", "square"),
)
COUNTED = {
    "llava": [" a red square</s>", "USER: ", "</s>"],
    "smolvlm": [" a red<end_of_utterance> square<end_of_utterance>", "User:", "<end_of_utterance>"],
    "qwen2_5_vl": ["a red<|im_end|>square<|im_end|>", "<|im_start|>user\n", "<|im_end|>"],
}


@pytest.mark.parametrize("family", COUNTED)
def test_exactly_the_responses_count(family, processors, make_sample):
    """Against a mask made by hand: the tokens of both answers and what ends them."""
    processor = processors(family)
    (row,), left_out = prepare([make_sample(2, *TWO_TURNS)], processor)
    assert left_out == []
    counted = [label for label in row.labels if label != IGNORED]
    said, asked, _ = COUNTED[family]
    assert processor.tokenizer.decode(counted) == said
    assert all(
        label in (IGNORED, token) for token, label in zip(row.input_ids, row.labels, strict=True)
    )
    whole = processor.tokenizer.decode(row.input_ids)
    assert asked in whole and whole.index("What is shown?") < whole.index("a red")
    image = processor.tokenizer.convert_tokens_to_ids(
        "<|image_pad|>" if family == "qwen2_5_vl" else "<image>"
    )
    assert row.input_ids.count(image) == {"llava": 4, "smolvlm": 5, "qwen2_5_vl": 1}[family]


def test_mask_token_by_token(processors, make_sample):
    """Every token of one conversation, written out."""
    processor = processors("qwen2_5_vl")
    (row,), _ = prepare([make_sample(1, ("user", "of"), ("assistant", "a red"))], processor)
    pieces = [processor.tokenizer.decode([token]) for token in row.input_ids]
    counted = [label != IGNORED for label in row.labels]
    opening = pieces.index("<|im_start|>", pieces.index("<|image_pad|>"))
    assert pieces[opening:][-5:] == ["\n", "a", " red", "<|im_end|>", "\n"]
    assert counted[-5:] == [False, True, True, True, False]
    assert not any(counted[:-5])


def test_responses_with_trailing_space_and_long_words(processors, make_sample):
    processor = processors("smolvlm")
    said = "a red square  \n"
    (row,), _ = prepare([make_sample(1, ("user", "of"), ("assistant", said))], processor)
    counted = [label for label in row.labels if label != IGNORED]
    assert processor.tokenizer.decode(counted) == f" {said}<end_of_utterance>"


def test_what_cannot_be_used_is_named(processors, make_sample, tmp_path):
    processor = processors("llava")
    good = make_sample(0)
    (tmp_path / "cut.png").write_bytes(make_sample(1).images[0].data[:60])
    turns = good.turns

    def with_images(id_, *refs, turns=turns):
        return Sample(id=id_, turns=turns, images=refs)

    rows = [
        good,
        with_images("none"),
        with_images("gone", ImageRef("x.png", path=tmp_path / "x.png")),
        with_images("cut", ImageRef("cut.png", path=tmp_path / "cut.png")),
        with_images("url", ImageRef("http://x/y.png", error="image is a URL, not fetched")),
        Sample(id="unread", error="not valid JSON"),
        make_sample(7, ("user", "of what"), ("assistant", " ")),
        make_sample(8, ("user", "see </s> here"), ("assistant", "a red")),
        make_sample(9, ("assistant", "a red"), ("user", "of what"), ("assistant", "a")),
        make_sample(10, ("user", "of what"), ("assistant", "a red " * 200)),
        make_sample(11, ("user", "of what " * 200), ("assistant", "a red")),
    ]
    kept, left_out = prepare(rows, processor, max_length=120)
    assert [row.id for row in kept] == ["s0"]
    reasons = dict(left_out)
    assert len(reasons) == 10
    for name, word in {
        "none": "no image",
        "gone": "missing",
        "cut": "truncated",
        "url": "URL",
        "unread": "JSON",
        "s7": "empty",
        "s8": "special token",
        "s9": "before any question",
        "s10": "too long",
        "s11": "too long",
    }.items():
        assert word in reasons[name], (name, reasons[name])
    with pytest.raises(BadInputError, match="None of the 1 samples"):
        prepare(rows[1:2], processor)
    with pytest.raises(BadInputError, match="no sample"):
        prepare([], processor)


def test_length_limit_is_exact(processors, make_sample):
    processor = processors("smolvlm")
    (row,), _ = prepare([make_sample(3)], processor)
    length = len(row.input_ids)
    assert prepare([make_sample(3)], processor, max_length=length)[0][0] == row
    why = f"too long: {length} tokens, the limit is {length - 1}"
    with pytest.raises(BadInputError, match=why):
        prepare([make_sample(3)], processor, max_length=length - 1)


def test_text_only_samples_when_asked(processors, make_sample):
    processor = processors("llava")
    blind = make_sample(4, images=0)
    (row,), _ = prepare([blind], processor, text_only=True)
    assert row.images == () and row.responses > 3
    assert "<image>" not in processor.tokenizer.decode(row.input_ids)


def test_images_stand_in_the_first_question():
    ref = ImageRef("a.png", data=b"")
    said = Sample(
        "x", (Turn("system", "be"), Turn("user", "q"), Turn("assistant", "a")), (ref, ref)
    )
    system, user, assistant = chat(said)
    assert [part["type"] for part in user["content"]] == ["image", "image", "text"]
    assert [len(m["content"]) for m in (system, assistant)] == [1, 1]
    with pytest.raises(BadRowError, match="no question"):
        chat(Sample("x", (Turn("system", "be"),), (ref,)))


def test_data_hash_sees_content_not_order(processors, make_sample):
    processor = processors("llava")
    rows, _ = prepare([make_sample(n) for n in range(4)], processor)
    assert data_hash(rows) == data_hash(rows[::-1])
    assert data_hash(rows) != data_hash(rows[:3])
    other, _ = prepare([make_sample(0, images=2), *[make_sample(n) for n in (1, 2, 3)]], processor)
    assert data_hash(rows) != data_hash(other)


@given(
    st.lists(st.integers(1, 90), min_size=1, max_size=70),
    st.integers(1, 9),
    st.integers(0, 3),
    st.randoms(),
)
def test_order_is_a_pure_function(lengths, batch, epoch, random):
    ids = [f"i{n}" for n in range(len(lengths))]
    order = EpochOrder(ids, lengths, batch, seed=1)
    order.set_epoch(epoch)
    rows = list(order)
    assert sorted(rows) == list(range(len(ids))) and len(order) == len(ids)
    assert list(order) == rows
    place = list(range(len(ids)))
    random.shuffle(place)
    other = EpochOrder([ids[n] for n in place], [lengths[n] for n in place], batch, seed=1)
    other.set_epoch(epoch)
    assert [place[row] for row in other] == rows


def test_epochs_and_seeds_differ():
    ids = [f"i{n}" for n in range(40)]
    order = EpochOrder(ids, [1] * 40, 4, seed=0)
    first = list(order)
    order.set_epoch(1)
    assert list(order) != first
    assert list(EpochOrder(ids, [1] * 40, 4, seed=1)) != first


def test_an_epoch_is_filled_up_for_several_processes():
    ids = [f"i{n}" for n in range(10)]
    plain, filled = EpochOrder(ids, [1] * 10, 4, 0), EpochOrder(ids, [1] * 10, 4, 0, multiple=4)
    assert list(filled) == [*plain, 10, 10] and len(filled) == 12
    assert list(EpochOrder(ids, [1] * 10, 5, 0, multiple=5)) == list(
        EpochOrder(ids, [1] * 10, 5, 0)
    )
