"""Everything that is run on gdx: ``nox -l`` lists it, ``nox`` runs the quick part."""

from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "venv"
nox.options.sessions = ["lint", "types", "tests(numpy)", "tests(strict)", "tests(cupy-double)"]

# The version the tests are run with; a range would bring gigabytes of CUDA packages.
TORCH = "torch==2.13.0"

# What each backend of the tests needs beside gdx[test].
BACKENDS: dict[str, list[str]] = {
    "numpy": [],
    "strict": [],
    "torch": [TORCH],
    "jax": ["jax", "jaxlib", "optax"],
    "dask": ["dask[array]", "distributed"],
    "cupy-double": [],  # tests/double stands in for CuPy
    "cupy": ["cupy-cuda12x"],
    "torch-cuda": ["torch"],
}
NEED_GPU = {"cupy", "torch-cuda"}

# The suite of the standard's authors, its last commit of 2026-04-03, and what it is run on: the
# namespace that a user's function has over NumPy while gdx differentiates it.
SUITE = "https://github.com/data-apis/array-api-tests"
SUITE_COMMIT = "55fcc60179efa2680ddd6cd926ddf17b83530e2b"
SUITE_MODULE = (
    "exec('import array_api_compat.numpy as np; from gdx.autodiff.lifting import traced_type; "
    "xp = traced_type(np).namespace')"
)


def pytest(session: nox.Session, backends: str, *args: str, install: tuple[str, ...] = ()) -> None:
    """Run pytest on the named backends; one that does not run fails the tests."""
    # Editable, so that the doctests in src are those of the installed package.
    session.install("-e", ".[test]", *install)
    # -m "" runs the slow tests, too; another -m among the arguments takes its place.
    command = ("pytest", "-m", "", *args, *session.posargs)
    session.run(*command, env={"GDX_TEST_BACKENDS": backends})


@nox.session
@nox.parametrize("backend", list(BACKENDS), ids=list(BACKENDS))
def tests(session: nox.Session, backend: str) -> None:
    """All tests, on one backend."""
    pytest(session, backend, install=tuple(BACKENDS[backend]))


@nox.session(python="3.11")
def lowest(session: nox.Session) -> None:
    """All tests, with the oldest Python and dependencies that gdx promises."""
    pytest(session, "numpy,strict", install=group("lowest"))


@nox.session(python=["3.11", "3.12", "3.13", "3.14"])
def pythons(session: nox.Session) -> None:
    """All tests, on each Python found here."""
    pytest(session, "numpy,strict")


@nox.session
def conformance(session: nox.Session) -> None:
    """Run the test suite of the Array API standard on traced arrays."""
    xfails = Path("tests/conformance/xfails.txt").resolve()
    suite = Path(session.create_tmp(), "array-api-tests")
    if not suite.exists():
        session.run("git", "clone", SUITE, str(suite), external=True)
    session.run("git", "-C", str(suite), "checkout", SUITE_COMMIT, external=True)
    session.run("git", "-C", str(suite), "submodule", "update", "--init", external=True)
    session.install("-e", ".", "-r", str(suite / "requirements.txt"))
    options = (f"--xfails-file={xfails}", "--max-examples=20", "--disable-deadline")
    env = {"ARRAY_API_TESTS_MODULE": SUITE_MODULE, "ARRAY_API_TESTS_VERSION": "2024.12"}
    with session.chdir(suite):
        session.run("pytest", "array_api_tests", *options, *session.posargs, env=env)


@nox.session(name="cupy-fallback")
def cupy_fallback(session: nox.Session) -> None:
    """CuPy installed where there is no GPU: gdx falls back, the double keeps CuPy's rules."""
    pytest(session, "numpy", "-m", "cupy_wheel", "tests", install=tuple(BACKENDS["cupy"]))


@nox.session
def fuzz(session: nox.Session) -> None:
    """Random programs of views and assignments; arguments are their number and --seed."""
    session.install("-e", ".[test]")
    session.run("python", "tests/autodiff/fuzz.py", *(session.posargs or ["10000"]))


@nox.session
def coverage(session: nox.Session) -> None:
    """All tests on all backends that need no GPU, with line and branch coverage."""
    backends = [name for name in BACKENDS if name not in NEED_GPU]
    install = tuple(package for name in backends for package in BACKENDS[name])
    pytest(session, ",".join(backends), "--cov", "--cov-report=term-missing", install=install)


@nox.session
def lint(session: nox.Session) -> None:
    session.install(*group("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def types(session: nox.Session) -> None:
    session.install("-e", ".", *group("types"))
    session.run("mypy")


@nox.session
def examples(session: nox.Session) -> None:
    """Each example runs and says what it should."""
    session.install("-e", ".[test]", *group("examples"))
    session.run("pytest", "-m", "", "tests/test_examples.py", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Time gdx beside SciPy, numdifftools, PyTorch and JAX; without arguments, judge endings, too.

    Arguments go to the benchmark of times.
    """
    session.install(".", *group("bench"), *BACKENDS["torch"], *BACKENDS["jax"])
    # One thread: timings then do not depend on the number of cores.
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    env = dict.fromkeys(threads, "1")
    session.run("python", "tests/benchmarks/run.py", *session.posargs, env=env)
    if not session.posargs:
        session.run("python", "tests/benchmarks/endings.py")


@nox.session
def docs(session: nox.Session) -> None:
    """Render the docstrings into build/docs."""
    session.install(".[plot,progress]", *group("docs"))
    session.run("pdoc", "-o", "build/docs", "gdx")


def group(name: str) -> tuple[str, ...]:
    """Return the requirements of a dependency group."""
    return nox.project.dependency_groups(nox.project.load_toml("pyproject.toml"), name)
