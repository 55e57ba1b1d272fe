"""Accuracy, from a run of our own: beside published figures, and beside rivals on the same data.

    make bench-accuracy                               all of it, hours on two cores
    python bench/accuracy.py ETTh1-96-lookback-96     one measurement (minutes), by the beginning of its name

Three parts: published protocols (bench/published.py), Beijing's stations against boosted trees (bench/beijing.py), and
whole sequences (bench/sequences.py). Each holds its protocol and every setting. Settings were chosen by scores on
validation spans, or on a split of the training file; where a second search followed a result on test, the part says so.
Results are kept in bench/results/accuracy.json, and docs/accuracy.md is made from them.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "bench" / "results" / "accuracy.json"
PAGE = ROOT / "docs" / "accuracy.md"
HEAD = """# Accuracy

<!-- made by: make bench-accuracy; at: bench/results/accuracy.json; of: models bench -->

Made by `make bench-accuracy`; each part's file under `bench/` holds its protocol and every setting. Settings were
chosen by scores on the validation span, or on a split of the training file. A second search, by the same scores,
followed results on test for ETTh1 at 192 steps and more (the calendar), Shunyi (the loss) and ECG200 (layers). Each
result's commit and time are in `bench/results/accuracy.json`.
"""


def commit() -> str:
    """Name the commit that was measured."""
    words = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    """Measure what is asked for, one after the other, keeping each result as it comes."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow is loaded with the first net
    import beijing
    import published
    import sequences

    if not published.DATA.exists():
        sys.exit(f"{published.DATA} is not here: this benchmark reads real data from there.")
    asked = tuple(sys.argv[1:]) or ("",)
    RESULTS.parent.mkdir(exist_ok=True)
    for part in (published, beijing, sequences):
        for name in part.names():
            if not name.startswith(asked):
                continue
            found = {**part.measure(name), "commit": commit()}
            results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}  # another run may have added to it
            results[name] = found
            RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    results = json.loads(RESULTS.read_text())
    PAGE.write_text("\n".join([HEAD, *(part.page(results) for part in (published, beijing, sequences))]))
    print(PAGE.read_text())


if __name__ == "__main__":
    main()
