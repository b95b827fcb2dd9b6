"""Each example runs by itself and asserts its own outcome; the README does what it says."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = {
    "gradient_field": ["gradient_field.png"],
    "gradient_descent": ["learning_rates.png"],
    "optimizers": ["optimizers.png"],
    "simple_net": ["simple_net_loss.png"],
    "finite_differences": ["step_size.png"],
    "digits": ["digits_loss.png", "digits_misread.png"],
}


def run(name, *arguments):
    return subprocess.run(
        [sys.executable, "-W", "error", ROOT / "examples" / f"{name}.py", *arguments],
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_every_example_is_here():
    found = {path.stem for path in (ROOT / "examples").glob("*.py")}
    assert found - {"options"} == set(EXAMPLES)


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_on_numpy(name, tmp_path):
    assert "on numpy on cpu" in run(name, "--save", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == EXAMPLES[name]


ON_OTHERS = [
    (name, backend)
    for name in ("gradient_field", "optimizers", "simple_net", "finite_differences", "digits")
    for backend in ("torch", "jax")
    if (name, backend) != ("digits", "jax")  # which takes a minute, as nothing is compiled
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "backend"), ON_OTHERS)
def test_on_other_libraries(name, backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    out = run(name, "--backend", backend)
    assert f"on {backend} on cpu" in out
    if name == "digits":
        assert re.search(r"^numpy: [\d.]+ s$", out, re.MULTILINE)


def test_readme_prints_what_it_says(capsys):
    blocks = re.findall(
        r"```python\n(.*?)```\n+```text\n(.*?)```", (ROOT / "README.md").read_text(), re.S
    )
    assert len(blocks) >= 2
    names = {}
    for code, expected in blocks:
        exec(compile(code, "README.md", "exec"), names)
        assert capsys.readouterr().out == expected


def test_readme_shows_the_committed_benchmark():
    command = [sys.executable, "table.py", "results/cpu.json"]
    table = subprocess.run(
        command, cwd=ROOT / "tests/benchmarks", capture_output=True, text=True, check=True
    ).stdout
    assert table.strip() in (ROOT / "README.md").read_text()
