"""The page says what really ranked the rows."""

from pickwell.config import SelectConfig
from pickwell.report.limits import limits_of


def test_each_quality_is_called_by_its_name():
    def said(quality, **options):
        return limits_of(quality, SelectConfig(**options))[0]

    assert "consensus of cheap metrics" in said("consensus")
    assert "consensus of cheap metrics" in said("consensus (run/quality)")
    learned = said("ridge (run/quality)")
    assert "learned from labels, by ridge (run/quality)" in learned and "consensus" not in learned
    assert "column 'mine (2)' as it stands" in said("mine (2)", by="mine (2)")
    assert "random draws" in said("consensus", method="random")
    for quality in ("consensus", "gbm (q)"):
        assert "has to be measured by training" in said(quality)
