import time

import pytest

from scoring.metric import Batch, Models
from scoring.metrics.language import Language

ENGLISH = "Describe this image in detail."


@pytest.fixture(scope="module")
def metric():
    return Language(Models("m"))


def one(metric, instruction, response):
    found = metric.score(Batch([instruction], [response]))
    return {name: column[0] for name, column in found.columns.items()}, found.notes[0]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("A small brown dog runs over the green grass.", "en"),
        ("Ein kleiner brauner Hund läuft über die grüne Wiese.", "de"),
        ("Un chien court dans l'herbe verte devant la maison.", "fr"),
        ("Маленькая коричневая собака бежит по траве.", "ru"),
        ("小さな茶色の犬が草の上を走っています。", "ja"),
        ("كلب بني صغير يركض على العشب الأخضر", "ar"),
    ],
)
def test_sentences_are_recognised(metric, text, code):
    columns, note = one(metric, ENGLISH, text)
    assert columns["language"] == code
    assert columns["language_match"] is (code == "en")
    assert 0.3 <= columns["language_confidence"] <= 1.0
    assert note is None


def test_a_translated_pair_matches(metric):
    columns, _ = one(metric, "Beschreibe dieses Bild ausführlich.", "Ein Hund auf der Wiese.")
    assert columns["language_match"] is True


@pytest.mark.parametrize("text", ["A banana.", "ninja", "A llama.", "dog", "A sombrero."])
def test_a_short_english_answer_is_not_called_foreign(metric, text):
    assert one(metric, ENGLISH, text)[0]["language_match"] is not False


@pytest.mark.parametrize(
    "text", ["This is the flag of Paraíba.", "The capital there is Jõgeva.", "Rostov Oblast."]
)
def test_foreign_names_do_not_make_a_sentence_foreign(metric, text):
    assert one(metric, ENGLISH, text)[0]["language_match"] is not False


def test_too_short_to_tell_is_null_with_a_note(metric):
    columns, note = one(metric, ENGLISH, "dog")
    assert columns["language"] is None
    assert note


@pytest.mark.parametrize("text", ["2024", "😀😀", "\x00\x01", "...", "\ud800"])
def test_no_words(metric, text):
    columns, note = one(metric, ENGLISH, text)
    assert set(columns.values()) == {None}
    assert note == "no words to tell the language by"


def test_an_unclear_instruction_decides_nothing(metric):
    columns, _ = one(metric, "?", "Ein kleiner brauner Hund läuft über die grüne Wiese.")
    assert columns["language"] == "de"
    assert columns["language_match"] is None


def test_long_text_is_quick(metric):
    one(metric, ENGLISH, "A dog runs.")
    start = time.process_time()
    assert one(metric, ENGLISH, "A brown dog runs. " * 5556)[0]["language"] == "en"
    assert one(metric, ENGLISH, "Donaudampfschiff" * 6250)[0]["language"] == "de"
    assert time.process_time() - start < 3


def test_company_changes_nothing(metric):
    texts = ["A dog runs over the grass.", "Un perro corre por el parque.", "犬", "x"]
    together = metric.score(Batch([ENGLISH] * 4, texts))
    for row, text in enumerate(texts):
        columns, note = one(metric, ENGLISH, text)
        assert {name: column[row] for name, column in together.columns.items()} == columns
        assert together.notes[row] == note


def test_real_captions_of_both_kinds(metric, packages):
    """The measured figures hold: hardly an English stamp is called foreign, most others are."""
    folder = packages / "usr/share/tuxpaint/stamps"
    if not folder.is_dir():
        pytest.skip("tuxpaint-stamps-default is not unpacked")
    english, german = [], []
    for path in sorted(folder.rglob("*.txt")):
        lines = path.read_text("utf-8", "replace").splitlines()
        if lines and lines[0].strip():
            english.append(lines[0].strip())
            german += [line[8:].strip() for line in lines[1:] if line.startswith("de.utf8=")]
    german = [text for text in german if len(text) >= 12]

    def foreign(texts):
        found = metric.score(Batch([ENGLISH] * len(texts), texts)).columns["language_match"]
        return sum(match is False for match in found) / len(texts)

    assert len(english) > 500
    assert len(german) > 300
    assert foreign(english) < 0.005
    assert foreign(german) > 0.25
