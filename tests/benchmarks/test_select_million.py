import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_runs_and_reports_on_a_small_pool(tmp_path) -> None:
    out = tmp_path / "result.json"
    command = [sys.executable, str(ROOT / "benchmarks" / "select_million.py"), "--rows", "30000"]
    subprocess.run([*command, "--dim", "16", "--out", str(out)], check=True, cwd=tmp_path)
    result = json.loads(out.read_text())
    assert result["table_rows"] == sum(result["funnel"].values()) == 30_000
    assert result["funnel"]["chosen"] == 200
    assert result["funnel"]["duplicate"] >= 250  # 1 % planted copies, less the refused ones
    assert result["seconds"] > 0 and result["peak_rss_gb"] > 0
