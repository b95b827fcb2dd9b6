"""An f that hands x to other threads or processes, where no derivative can be followed."""

import copy
import importlib
import pickle
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

import gdx

SHIFTS = [np.arange(3.0), np.ones(3)]
START = np.asarray([1.0, 2.0, 3.0])


def part(x, shift):
    return float(((x - shift) ** 2).sum())


def part_and_gradient(x, shift):
    return part(x, shift), 2 * (x - shift)


@pytest.fixture(scope="module")
def processes():
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        yield executor


@pytest.fixture(scope="module", autouse=True)
def client():
    try:
        distributed = importlib.import_module("distributed")
    except ImportError:
        yield
        return
    with (
        warnings.catch_warnings(action="ignore"),  # of a cluster that has trouble to start or end
        distributed.Client(
            processes=False, n_workers=1, threads_per_worker=1, dashboard_address=":0"
        ) as client,
    ):
        yield client


def by_processes(processes):
    return lambda x: sum(processes.map(part, [x, x], SHIFTS))


def by_client(_):
    client = pytest.importorskip("distributed").default_client()
    return lambda x: sum(client.gather([client.submit(part, x, shift) for shift in SHIFTS]))


def by_a_file(_):
    return lambda x: part(pickle.loads(pickle.dumps(x)), SHIFTS[0])  # noqa: S301


def by_threads(_):
    threads = ThreadPoolExecutor(1)
    return lambda x: sum(threads.map(part, [x, x], SHIFTS))


PICKLING = [by_processes, by_client, by_a_file]


@pytest.mark.parametrize("way", PICKLING)
def test_exact_derivatives_say_what_to_write(way, processes):
    f = way(processes)
    for derivative in (gdx.grad(f), gdx.hessian(f), lambda x: gdx.jvp(f, (x,), (x,))):
        with pytest.raises(gdx.TracingError, match=r"f pickles a traced array.*gdx\.custom_vjp"):
            derivative(START)


@pytest.mark.parametrize("way", [*PICKLING, by_threads])
def test_a_descent_says_that_it_turns_numerical(way, processes):
    f = way(processes)
    with pytest.warns(RuntimeWarning, match=r"f hands x to another.*give that as grad="):
        result = gdx.gradient_descent(f, START, step_num=2)
    assert result.gradient == "numerical"
    with warnings.catch_warnings(action="error"):
        assert gdx.gradient_descent(f, START, step_num=2, grad="numerical").fun == result.fun


def test_many_descents_say_it_too():
    threads = ThreadPoolExecutor(1)
    with pytest.warns(RuntimeWarning, match="f hands x to another"):
        result = gdx.minimize(
            lambda x: threads.submit(lambda: np.asarray(x**2).sum(axis=-1)).result(),
            np.ones((4, 2)),
            method="l-bfgs",
            batch=True,
        )
    assert result.gradient == "numerical"


def test_what_the_sentences_advise(processes):
    with warnings.catch_warnings(action="error"):
        total = gdx.minimize(
            lambda x: processes.submit(part_and_gradient, x, SHIFTS[1]).result(), START, grad=True
        )
    np.testing.assert_allclose(total.x, 1)

    @gdx.custom_vjp
    def f(x):
        return processes.submit(part, x, SHIFTS[1]).result()

    f.defvjp(
        lambda x: processes.submit(part_and_gradient, x, SHIFTS[1]).result(),
        lambda gradient, g: (g * gradient,),
    )
    np.testing.assert_allclose(gdx.grad(lambda x: 3 * f(x * x))(START), 12 * START * (START**2 - 1))


def test_errors_of_f_itself_stay_as_they_are():
    def f(x):
        try:
            copy.deepcopy(x), float(x[0])
        except TypeError:
            raise ValueError("x is no number") from None

    with pytest.raises(ValueError, match="x is no number"):
        gdx.grad(f)(START)


def test_constants_can_be_pickled():
    kept = []
    gdx.grad(lambda x: (kept.append(x), x.sum())[1])(START)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(kept[0])), START)  # noqa: S301
