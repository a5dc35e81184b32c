"""What data says is shown, and never does anything to the terminal."""

import json

import pytest

from pickwell.console import _rate, _Terminal

TITLE = "\x1b]0;owned\x07"
RED = "\x1b[31mred"


def test_control_characters_are_shown_as_a_mark(capsys):
    screen = _Terminal(force_terminal=True, width=200, highlight=False)
    screen.print(f"{RED} {TITLE}\x9b31m \ud800 tab\tnew\nline", markup=False, style="bold")
    shown = capsys.readouterr().out
    own = shown.replace("\x1b[1m", "").replace("\x1b[0m", "")  # bold on and off: rich's own
    assert own == "\ufffd[31mred \ufffd]0;owned\ufffd31m \ufffd tab       new\nline\n"
    assert own != shown


def test_a_hostile_caption_in_formats_and_explain(llava, pickwell_here):
    rows = [json.loads(line) for line in llava.read_text().splitlines()]
    rows[0]["id"] = f"{RED}[/b]"
    rows[0]["conversations"][1]["value"] = f"[/bold] [link=x] {TITLE} words"
    llava.write_text("\n".join(map(json.dumps, rows)))
    shown = pickwell_here("formats", llava)
    assert shown.returncode == 0 and "\x1b" not in shown.stdout
    assert "[/bold] [link=x] \ufffd]0;owned" in shown.stdout
    words = ("--out", "run", "--models", "none", "--metrics", "length")
    assert pickwell_here("score", llava, *words).returncode == 0
    chosen = pickwell_here("select", "run", "-o", "picked", "-b", 3, "--by", "words")
    assert chosen.returncode == 0
    why = pickwell_here("explain", "picked", rows[0]["id"])
    assert why.returncode == 0 and "\x1b" not in why.stdout and "\ufffd[31mred[/b]" in why.stdout


@pytest.mark.parametrize(
    ("speed", "shown"), [(None, ""), (1234.5, "1,234.5/s"), (0.1, "0.1/s"), (1 / 45, "45 s each")]
)
def test_a_slow_thing_has_seconds_and_not_a_rate_of_nothing(speed, shown):
    assert _rate(speed) == shown
