import json
import subprocess
import sys
from pathlib import Path

from benchmarks.kmeans_million import LIMITS, judged, place_for

ROOT = Path(__file__).parents[2]


def test_runs_and_reports_on_a_small_file(tmp_path) -> None:
    out = tmp_path / "result.json"
    command = [sys.executable, str(ROOT / "benchmarks" / "kmeans_million.py"), "--rows", "3000"]
    words = ["--dim", "16", "--count", "20", "--iterations", "2", "--rounds", "1", "--threads", "1"]
    # limits of speed mean nothing at this size: the exit code may be 1
    done = subprocess.run([*command, *words, "--out", str(out)], check=False, cwd=tmp_path)
    assert done.returncode in (0, 1)
    result = json.loads(out.read_text())
    assert result["not_measured"] == ["over_faiss", "objective_over_faiss"]
    assert result["held"] is False and result["iterations"] == 2
    assert 0 < result["mean_distance"] < 1 and 0 < result["peak_rss_gb"] < 3
    assert list(result["microseconds_per_row"]) == ["300", "900", "3000"]
    assert "absent" in result["faiss"]  # faiss-cpu is no dependency: said, not hidden


def test_what_was_not_measured_is_not_held() -> None:
    assert judged(dict(LIMITS)) == {"missed": [], "not_measured": [], "held": True}
    some = {name: limit for name, limit in LIMITS.items() if "faiss" not in name}
    told = judged(some | {"over_product": 9.0, "slope_spread": float("nan")})
    assert told["missed"] == ["over_product", "slope_spread"] and told["held"] is False
    assert judged(some)["held"] is False


def test_a_run_without_faiss_leaves_the_comparison_alone(tmp_path) -> None:
    out = tmp_path / "result.json"
    assert place_for(out, {}) == out
    out.write_text(json.dumps({"over_faiss": 1.03}))
    assert place_for(out, {"over_faiss": 1.1}) == out
    assert place_for(out, {}) == tmp_path / "result_without_faiss.json"
    out.write_text(json.dumps({"faiss": "absent"}))
    assert place_for(out, {}) == out
