from hypothesis import given
from hypothesis import strategies as st

from finetune.evaluate.short_answers import normalise
from finetune.evaluate.two_choice import Item, draw_wrong, has_one_response, prefers

WORDS = st.sampled_from(["a dog", "A dog.", "a cat", "two cats", "2 cats", "", "red", "blue"])
ITEMS = st.lists(
    st.tuples(
        WORDS,
        st.sampled_from(["what is it", "what colour", "describe"]),
        st.sampled_from(["s", "t"]),
        st.sampled_from([b"1", b"2", b"3"]),
    ),
    min_size=1,
    max_size=25,
)


def items(rows):
    return [
        Item(f"id{n}", source, question, answer, frozenset([image]))
        for n, (answer, question, source, image) in enumerate(rows)
    ]


@given(ITEMS, st.integers(0, 3), st.randoms(use_true_random=False))
def test_a_wrong_response_is_wrong_and_the_order_does_not_matter(rows, seed, random):
    given_items = items(rows)
    wrong = draw_wrong(given_items, seed)
    for item, response in zip(given_items, wrong, strict=True):
        offers = [
            other
            for other in given_items
            if normalise(other.response) not in ("", normalise(item.response))
            and not item.images & other.images
        ]
        assert (response is None) == (not offers)
        if response is not None:
            assert normalise(response) not in ("", normalise(item.response))
            assert response in [other.response for other in offers]
    mixed = list(zip(given_items, wrong, strict=True))
    random.shuffle(mixed)
    again = draw_wrong([item for item, _ in mixed], seed)
    assert again == [response for _, response in mixed]


def test_the_same_question_comes_before_the_same_source():
    pool = [
        Item("a", "s", "What is the capital?", "Paris"),
        Item("b", "s", "What is the capital?", "Rome"),
        Item("c", "s", "What is the river?", "Seine"),
        Item("d", "s", "Name it", "wolf"),
        Item("e", "t", "What is the capital?", "Bern"),
    ]
    wrong = draw_wrong(pool)
    assert wrong[:2] == ["Rome", "Paris"]
    assert wrong[2] in ("Rome", "Paris")  # same opening words
    assert wrong[3] in ("Rome", "Paris", "Seine")  # same source
    assert wrong[4] is not None  # any


def test_seeds_differ():
    pool = [Item(f"{n}", "s", "what", f"answer {n}") for n in range(50)]
    assert draw_wrong(pool, 0) != draw_wrong(pool, 1)
    # Not everybody's wrong response is the same one.
    assert len(set(draw_wrong(pool, 0))) > 15


def test_ties_count_half():
    assert [prefers(1, 0), prefers(0, 1), prefers(2, 2)] == [1, 0, 0.5]


def test_one_response(make_sample):
    assert has_one_response(make_sample(1))
    two = make_sample(1, ("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d"))
    assert not has_one_response(two)
