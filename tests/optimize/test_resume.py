"""Runs that go on from a file are those that were never interrupted."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import gdx
from gdx import CheckpointError, Status
from gdx.optimize import adam, chain, clip_by_global_norm, cosine_decay, lbfgs, momentum

START = [-1.2, 1.0, 0.5, -0.3]
METHODS = {
    "l-bfgs": lbfgs(3),
    "bfgs": "bfgs",
    "cg": "cg",
    "bb": "bb",
    "newton-cg": "newton-cg",
    "adam": adam(0.01),
    "chain": chain(clip_by_global_norm(1.0), momentum(cosine_decay(0.01, 50))),
}


def rosenbrock(x):
    return sum(100 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2 for i in range(3))


def same(one, other):
    """Compare all that two runs found, bit by bit."""
    assert (one.fun, one.nit, one.status) == (other.fun, other.nit, other.status)
    for name in ("x", "grad"):
        np.testing.assert_array_equal(
            gdx.to_numpy(getattr(one, name)), gdx.to_numpy(getattr(other, name))
        )


@pytest.mark.parametrize(
    "method",
    [
        pytest.param(name, marks=[] if name in ("l-bfgs", "chain") else pytest.mark.slow)
        for name in METHODS
    ],
)
def test_a_run_in_parts(case, method, tmp_path):
    if case.name == "dask":
        pytest.skip("does not sum in the same order twice")
    start, path = case.asarray(START), tmp_path / "run.npz"
    options = {"method": METHODS[method], "tol": 0, "check_every": 4, "history": True}
    whole = gdx.minimize(rosenbrock, start, max_steps=20, **options)
    for steps in (3, 3, 9, 20):
        part = gdx.minimize(
            rosenbrock, start, max_steps=steps, checkpoint=path, checkpoint_every=2, **options
        )
        assert part.nit <= steps
    same(part, whole)
    assert case.holds(part.x)
    assert part.njev >= whole.njev
    # Rules look at the end of each part, too.
    steps = [i for i, step in enumerate(part.history.step) if step in whole.history.step]
    for one, other in zip(part.history, whole.history, strict=True):
        np.testing.assert_array_equal(gdx.to_numpy(one)[steps], gdx.to_numpy(other))


def test_a_run_that_has_converged_stays_so(tmp_path):
    path = tmp_path / "run.npz"
    first = gdx.minimize(rosenbrock, START, checkpoint=path)
    assert first.success
    again = gdx.minimize(rosenbrock, START, checkpoint=path)
    same(again, first)
    assert again.nfev == first.nfev
    further = gdx.minimize(rosenbrock, START, checkpoint=path, tol=1e-10)
    assert further.success
    assert abs(further.grad).max() <= 1e-10


@pytest.mark.parametrize("bounds", [None, (-0.8, 0.7)])
def test_trees_within_bounds(tmp_path, bounds):
    start = {"a": np.asarray(START, np.float32), "b": (np.asarray(2.0), np.ones((2, 2)))}

    def f(p):
        return rosenbrock(p["a"]) + (p["b"][0] - 1) ** 4 + ((p["b"][1] * p["a"][0]) ** 2).sum()

    for method in ("l-bfgs", adam(0.05)):
        path = tmp_path / f"{method!r}.npz"
        options = {"method": method, "bounds": bounds, "tol": 0}
        whole = gdx.minimize(f, start, max_steps=30, **options)
        for steps in (11, 30):
            part = gdx.minimize(f, start, max_steps=steps, checkpoint=path, **options)
        assert part.fun == whole.fun
        assert isinstance(part.x["b"], tuple)
        assert part.x["a"].dtype == np.float32
        np.testing.assert_array_equal(part.x["a"], whole.x["a"])
        np.testing.assert_array_equal(part.x["b"][1], whole.x["b"][1])


def test_what_was_found_out_about_f_is_remembered(tmp_path):
    """From where f cannot be traced on, the gradient is numerical, also before that point."""

    def f(x):
        return (x[0] - 1) ** 4 + x[1] ** 2 if x[0] < 0 else float(x[0] - 1) ** 4 + x[1] ** 2

    options = {"method": adam(0.1), "tol": 0}
    whole = gdx.minimize(f, [-0.5, 1.0], max_steps=40, **options)
    path = tmp_path / "run.npz"
    for steps in (20, 40):
        part = gdx.minimize(f, [-0.5, 1.0], max_steps=steps, checkpoint=path, **options)
    same(part, whole)
    assert part.gradient == whole.gradient == "numerical"


def test_the_file_is_written_every_so_many_steps(tmp_path, monkeypatch):
    from gdx.optimize.files import kept

    steps = []
    save = kept.save
    monkeypatch.setattr(kept, "save", lambda p, header, a: steps.append(header["step"]))
    gdx.minimize(rosenbrock, START, checkpoint=tmp_path / "a", checkpoint_every=5, max_steps=12)
    assert steps == [5, 10, 12]
    monkeypatch.setattr(kept, "save", save)


def test_an_interrupted_run_goes_on_from_its_file(tmp_path):
    path, calls = tmp_path / "run.npz", []

    def f(x):
        calls.append(1)
        if len(calls) == 20:
            raise KeyboardInterrupt
        return rosenbrock(x)

    options = {"checkpoint": path, "checkpoint_every": 3, "tol": 1e-8}
    first = gdx.minimize(f, START, **options)
    assert first.status == Status.INTERRUPTED
    same(gdx.minimize(f, START, **options), gdx.minimize(rosenbrock, START, tol=1e-8))


@pytest.mark.parametrize("method", ["l-bfgs", "adam"])
def test_another_f_is_noticed(tmp_path, method):
    options = {"checkpoint": tmp_path / "run.npz", "method": method, "max_steps": 5}
    first = gdx.minimize(rosenbrock, START, **options)
    with pytest.warns(RuntimeWarning, match="at the best point in the file.*delete the file"):
        again = gdx.minimize(lambda x: 2 * rosenbrock(x), START, **options)
    assert again.nfev <= first.nfev + 1


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x0": [0.0, 0.0, 0.0, 0.0]}, "checksum of x0"),
        ({"x0": START[:3]}, "structure of x0"),
        ({"x0": np.asarray(START, np.float32)}, "structure of x0"),
        ({"x0": {"a": np.asarray(START)}}, "structure of x0"),
        ({"method": "bfgs"}, r"method is 'l-bfgs\(memory=10\)', that of this run 'bfgs\(\)'"),
        ({"method": lbfgs(5)}, "method"),
        ({"method": adam(0.1)}, "method"),
        ({"bounds": (-3, 3)}, "checksum of bounds"),
        ({"grad": "numerical"}, "grad"),
        ({"history": True}, "history"),
    ],
)
def test_the_file_of_another_run(tmp_path, changed, message):
    path = tmp_path / "run.npz"
    gdx.minimize(rosenbrock, START, max_steps=5, checkpoint=path)
    content = path.read_bytes()

    def f(x):
        raise AssertionError("nothing is evaluated before the file is known")

    with pytest.raises(CheckpointError, match=f"run.npz' is of another run: its {message}"):
        gdx.minimize(**{"f": rosenbrock, "x0": START, "checkpoint": path, **changed})
    assert path.read_bytes() == content


def test_a_damaged_file(tmp_path):
    path = tmp_path / "run.npz"
    gdx.minimize(rosenbrock, START, max_steps=5, checkpoint=path)
    content = path.read_bytes()
    for damaged in (b"", content[:-1], content[: len(content) // 2], b"text"):
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="delete it to begin anew"):
            gdx.minimize(rosenbrock, START, checkpoint=path)
        assert path.read_bytes() == damaged


def test_a_place_that_cannot_be_written(tmp_path):
    with pytest.raises(FileNotFoundError, match="directory does not exist"):
        gdx.minimize(rosenbrock, START, checkpoint=tmp_path / "nowhere" / "run.npz")


# One process imports gdx and makes the others, which die at an evaluation of f.
_SCRIPT = """
import os, signal, sys
import numpy as np
import gdx

method = gdx.optimize.adam(0.01) if sys.argv[1] == "adam" else sys.argv[1]
x0 = np.tile([-1.2, 1.0], 10)

def run(out, path=None, lifetime=np.inf):
    evaluations = 0

    def f(x):
        nonlocal evaluations
        evaluations += 1
        if evaluations > lifetime:
            os.kill(os.getpid(), signal.SIGKILL)
        return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    result = gdx.minimize(
        f, x0, method=method, max_steps=150, tol=0, history=True, check_every=5,
        checkpoint=path, checkpoint_every=1,
    )
    np.savez(out, x=result.x, fun=result.fun, nit=result.nit, way=result.history.x)

run(sys.argv[2])
lives = 0
for lifetime in (1, 2, 10, 17, 23, 11, 30, 19, np.inf):
    child = os.fork()
    if not child:
        run(sys.argv[3], sys.argv[4], lifetime)
        os._exit(0)
    lives += 1
    if not os.waitpid(child, 0)[1]:
        break
print(lives)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="processes are forked and killed")
@pytest.mark.parametrize("method", ["l-bfgs", "adam"])
def test_a_process_that_is_killed_again_and_again(method, tmp_path):
    names = [str(tmp_path / name) for name in ("whole.npz", "part.npz", "run.npz")]
    command = [sys.executable, "-c", _SCRIPT, method, *names]
    ran = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    assert ran.stdout == "9\n"  # the last of which ended by itself
    whole, part = (np.load(name) for name in names[:2])
    for name in whole.files:
        np.testing.assert_array_equal(part[name], whole[name])
