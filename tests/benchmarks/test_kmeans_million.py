import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_runs_and_reports_on_a_small_file(tmp_path) -> None:
    out = tmp_path / "result.json"
    command = [sys.executable, str(ROOT / "benchmarks" / "kmeans_million.py"), "--rows", "3000"]
    words = ["--dim", "16", "--count", "20", "--iterations", "2", "--rounds", "1", "--threads", "1"]
    # limits of speed mean nothing at this size: the exit code may be 1
    done = subprocess.run([*command, *words, "--out", str(out)], check=False, cwd=tmp_path)
    assert done.returncode in (0, 1)
    result = json.loads(out.read_text())
    assert result["held"] == (not result["missed"]) and result["iterations"] == 2
    assert 0 < result["mean_distance"] < 1 and 0 < result["peak_rss_gb"] < 3
    assert list(result["microseconds_per_row"]) == ["300", "900", "3000"]
    assert "absent" in result["faiss"]  # faiss-cpu is no dependency: said, not hidden
