"""What an option takes is said in words, and the option is named as it was typed."""

import pytest

from data_cards import BadInputError
from pickwell.config import BenchmarkConfig, Config, FitConfig, PruneConfig, SelectConfig
from pickwell.config_file import as_typed, checked, load_config
from pickwell.expected import choices, expected


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ("benchmark", "here", "--fractions", "abc"),
            "--fractions: a number above 0 and at most 1 is expected (given: 'abc')\n",
        ),
        (("benchmark", "here", "--fractions", "0"), "at most 1 is expected (given: '0')\n"),
        (("benchmark", "here", "--fractions", "1.5"), "at most 1 is expected (given: '1.5')\n"),
        (("benchmark", "here", "--fractions", "15"), "for 15 % write 0.15"),
        (("benchmark", "here", "--fractions", "0.1,30%"), "(given: '30%'); for 30 % write 0.3"),
        (
            ("benchmark", "here", "--per-class", "0"),
            "--per-class: a whole number from 1 up is expected (given: '0')\n",
        ),
        (("benchmark", "here", "--per-class", "x"), "from 1 up is expected (given: 'x')"),
        (("benchmark", "here", "--methods", ""), "--methods: name one or more (given: nothing)"),
        (("benchmark", "here", "--model", "lineer"), "(given: 'lineer'); did you mean 'linear'?"),
        (("benchmark", "here", "--epochs", "0"), "--epochs: a whole number from 1 up is"),
        (("prune", "here", "--by", "herding", "--count", "0"), "--count: a whole number from 1 up"),
        (("select", "here", "--budget", "0"), "--budget: a whole number from 1 up is expected"),
        (("select", "here", "-b", "few"), "--budget: a whole number from 1 up is expected"),
        (("select", "here", "--space", "audio"), "one of 'image', 'text', 'both' is expected"),
    ],
)
def test_a_slip_is_told_in_plain_words(words, says, pickwell_here, tmp_path):
    done = pickwell_here(*words, "--out", "out")
    assert done.returncode == 2 and says in done.stderr
    assert f"See `pickwell {words[0]} --help`." in done.stderr
    assert "should be" not in done.stderr and "options of" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_each_option_is_told_once_and_all_are():
    with pytest.raises(BadInputError) as caught:
        checked(BenchmarkConfig, {"fractions": "3,4", "seeds": 0}, "options of benchmark")
    assert caught.value.message.count("--fractions: ") == 1 and "--seeds: " in caught.value.message


def test_what_no_command_types_keeps_its_name(tmp_path):
    assert as_typed("benchmark", "per_class") == "--per-class"
    assert as_typed("benchmark", "score_epochs") == "score_epochs"
    with pytest.raises(BadInputError, match="options of benchmark: score_epochs: a whole number"):
        checked(BenchmarkConfig, {"score_epochs": 0}, "options of benchmark")
    (tmp_path / "mine.yaml").write_text("benchmark: {fractions: [0.5, 2]}")
    with pytest.raises(BadInputError, match=r"mine\.yaml: benchmark\.fractions: a number above 0"):
        load_config(tmp_path / "mine.yaml")


def test_every_range_in_words():
    for model, name, words in (
        (SelectConfig, "random_seeds", "a whole number from 5 up"),
        (PruneConfig, "probe_seeds", "a whole number from 2 to 100"),
        (PruneConfig, "duplicates", "a number from -1 to 1"),
        (PruneConfig, "duplicates_share", "a number from 0, below 1"),
        (PruneConfig, "seed", "a whole number from 0, below 2,147,483,648"),
        (BenchmarkConfig, "test_share", "a number above 0 and below 1"),
        (BenchmarkConfig, "learning_rate", "a number above 0"),
        (PruneConfig, "supervised", "true or false"),
        (FitConfig, "groups", "a path"),
    ):
        assert expected(model, [name]) == words
    assert choices(PruneConfig, ["probe"]) == ["linear", "knn", "none"]
    assert expected(Config, ["prune", "nothing"]) is None
