import pytest

from data_cards import BadInputError, ImageRef, Sample
from finetune.collate import Collator, from_pixels
from finetune.data import prepare
from finetune.responses import IGNORED

FAMILIES = ("llava", "smolvlm", "qwen2_5_vl")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_is_what_the_processor_makes_of_it(family, processors, make_sample):
    processor = processors(family)
    rows, _ = prepare([make_sample(n) for n in range(3)], processor)
    batch = Collator(rows, 0, from_pixels(processor))([{"row": n} for n in range(3)])
    width = max(len(row.input_ids) for row in rows)
    for line, row in enumerate(rows):
        length = len(row.input_ids)
        assert batch["input_ids"][line].tolist() == [*row.input_ids, *[0] * (width - length)]
        assert batch["attention_mask"][line].sum() == length
        assert batch["labels"][line].tolist() == [*row.labels, *[IGNORED] * (width - length)]
    alone = Collator(rows, 0, from_pixels(processor))([{"row": 1}])
    whole = batch["pixel_values"]
    per_row = len(whole) // 3
    assert whole[per_row : 2 * per_row].equal(alone["pixel_values"])


def test_a_filler_counts_nowhere(processors, make_sample):
    processor = processors("llava")
    rows, _ = prepare([make_sample(n) for n in range(3)], processor)
    batch = Collator(rows, 0, from_pixels(processor))([{"row": 1}, {"row": 3}])
    assert (batch["labels"][0] != IGNORED).any() and (batch["labels"][1] == IGNORED).all()
    assert len(batch["pixel_values"]) == 2


@pytest.mark.parametrize("family", FAMILIES)
def test_padding_does_not_change_a_loss(family, processors, vlm_folder, make_sample):
    """A sample's loss in a batch of unequal lengths, with a text-only one, is that of it alone."""
    import torch
    from transformers import AutoModelForImageTextToText

    processor = processors(family)
    model = AutoModelForImageTextToText.from_pretrained(vlm_folder(family)).eval()
    rows, _ = prepare(
        [make_sample(1), make_sample(2), make_sample(3, images=0)], processor, text_only=True
    )
    collator = Collator(rows, processor.tokenizer.pad_token_id, from_pixels(processor))

    def losses(batch):
        labels = batch.pop("labels")
        with torch.no_grad():
            logits = model(**batch).logits[:, :-1]
        return torch.nn.functional.cross_entropy(
            logits.transpose(1, 2), labels[:, 1:], reduction="none"
        ).sum(1)

    together = losses(collator.collate(rows))
    apart = torch.cat([losses(collator.collate([row])) for row in rows])
    torch.testing.assert_close(together, apart, atol=1e-4, rtol=1e-4)


def test_an_image_that_vanishes_is_said_plainly(processors, make_sample, tmp_path):
    processor = processors("llava")
    good = make_sample(0)
    path = tmp_path / "a.png"
    path.write_bytes(good.images[0].data)
    rows, _ = prepare(
        [Sample(id="a", turns=good.turns, images=(ImageRef("a.png", path=path),))], processor
    )
    path.unlink()
    with pytest.raises(BadInputError, match="An image of a was readable"):
        Collator(rows, 0, from_pixels(processor)).collate(rows)
