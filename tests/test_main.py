"""The command line."""

from __future__ import annotations

import subprocess
import sys

from gdx.__main__ import main


def test_demonstration(capsys, tmp_path):
    assert main(["--save", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    for line in (
        "at [3.0, 4.0]: [6. 8.]",
        "step  1: [-2.4  3.2]",
        "end    : [-0.03458765  0.04611686]",
        "prediction: [1.05414809 0.63071653 1.1328074 ]",
        "loss      : 0.92806829",
        "dL/dW     : [[ 0.21924757  0.14356243 -0.36281   ]",
    ):
        assert line in out
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "gradient_field.png",
        "learning_rates.png",
    ]


def test_table_of_backends(capsys):
    main(["--backend", "numpy"])
    rows = capsys.readouterr().out.splitlines()
    assert any(row.startswith("numpy") and "yes: cpu" in row for row in rows)
    for name in ("cupy", "torch", "jax", "dask"):
        assert any(row.startswith(name) and ("yes: " in row or "no: " in row) for row in rows)


def test_wrong_name():
    run = subprocess.run(
        [sys.executable, "-m", "gdx", "--backend", "tensorflow"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert "numpy, cupy, torch, jax, dask, auto; got 'tensorflow'" in run.stderr
    assert "Traceback" not in run.stderr


def test_fallback_is_one_line(no_cupy, capsys):
    assert main(["--backend", "cupy"]) == 0
    captured = capsys.readouterr()
    assert captured.err.startswith("gdx: the backend cupy cannot be used")
    assert len(captured.err.splitlines()) == 1
    assert "Demonstration on numpy" in captured.out
