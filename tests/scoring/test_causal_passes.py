"""Batched passes with shared prefixes equal one plain pass for each sequence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.causal_passes import batches, common_prefix, last_logits, worth_sharing

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=40, hidden_size=16, intermediate_size=24, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=256,
    )  # fmt: skip
    return transformers.LlamaForCausalLM(config).eval()


@pytest.mark.parametrize("shared", [0, 5, 90])
@pytest.mark.parametrize("tokens_per_batch", [1, 64, 4096])
def test_equals_the_plain_way(model, shared, tokens_per_batch):
    start = tuple(n % 40 for n in range(shared))
    ends = [(1, 2, 3), (1, 2), (7,), (9, 8, 7, 6, 5, 4, 3, 2, 1), (39, 0, 39)]
    jobs = [(start + end, min(len(end), 2)) for end in ends]
    prefixes = {tokens: shared for tokens, _ in jobs}
    found = dict(last_logits(model, jobs, prefixes, tokens_per_batch=tokens_per_batch))
    assert set(found) == {tokens for tokens, _ in jobs}
    for tokens, count in jobs:
        with torch.inference_mode():
            plain = model(torch.tensor([tokens])).logits[0, -count:]
        assert found[tokens].dtype == torch.float32
        torch.testing.assert_close(found[tokens], plain, atol=1e-5, rtol=0)


@given(st.lists(st.integers(1, 300), max_size=60), st.integers(1, 2048))
def test_batches_keep_all_in_order_and_within_the_budget(lengths, budget):
    members = [((0,) * n, 1) for n in sorted(lengths)]
    found = list(batches(members, 0, budget))
    assert [member for batch in found for member in batch] == members
    for batch in found:
        widest = len(batch[-1][0])
        assert len(batch) == 1 or len(batch) * widest <= budget
        real = sum(len(tokens) for tokens, _ in batch)
        assert len(batch) * widest - real <= 0.15 * real + 64


def test_a_prefix_is_shared_where_that_saves_enough():
    assert worth_sharing(2, 128) and not worth_sharing(2, 127) and not worth_sharing(1, 9999)
    long = (1,) * 100
    assert common_prefix(sorted([(*long, 2), (*long, 3), (*long, 3, 4)])) == 100
    assert common_prefix(sorted([(*long, 2), (*long, 3)])) == 0  # 100 tokens saved
    assert common_prefix([long]) == common_prefix([]) == 0
