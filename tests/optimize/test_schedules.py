"""Schedules of the learning rate against PyTorch's and Optax's, and in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdx.optimize.updates import schedules

COUNT = 60


def rates(schedule, count=COUNT):
    return [schedule(t) for t in range(count)]


def torch_rates(make, lr=0.1, count=COUNT):
    """Return the rates that PyTorch's scheduler sets before each step."""
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr)
    scheduler, found = make(torch.optim.lr_scheduler, optimizer), []
    for t in range(count):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if t < count - 1:
            scheduler.step()
    return found


def optax_rates(make, count=COUNT):
    jax = pytest.importorskip("jax")
    optax = pytest.importorskip("optax")
    with jax.enable_x64(True):
        schedule = make(optax)
        return [float(schedule(jax.numpy.asarray(t))) for t in range(count)]


def close(found, expected, rtol=1e-13):
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=1e-16)


def test_constant():
    assert rates(schedules.constant(0.3)) == [0.3] * COUNT
    close(rates(schedules.constant(0.3)), optax_rates(lambda o: o.constant_schedule(0.3)), 1e-7)


@pytest.mark.parametrize(("every", "factor"), [(1, 0.9), (7, 0.5), (20, 1.5), (100, 0.1)])
def test_step_decay(every, factor):
    found = rates(schedules.step_decay(0.1, every, factor=factor))
    close(found, torch_rates(lambda s, o: s.StepLR(o, every, factor)))
    close(
        found,
        optax_rates(lambda o: o.exponential_decay(0.1, every, factor, staircase=True)),
        1e-6,  # JAX's powers are no better on some machines
    )


@pytest.mark.parametrize("rate", [0.5, 0.97, 1.01])
def test_exponential_decay(rate):
    found = rates(schedules.exponential_decay(0.1, rate))
    close(found, torch_rates(lambda s, o: s.ExponentialLR(o, rate)))
    close(
        rates(schedules.exponential_decay(0.1, rate, every=7)),
        optax_rates(lambda o: o.exponential_decay(0.1, 7, rate)),
        1e-6,
    )


@pytest.mark.parametrize("final", [0.0, 0.02])
def test_cosine_decay_as_pytorch(final):
    found = rates(schedules.cosine_decay(0.1, COUNT - 1, final=final))
    close(found, torch_rates(lambda s, o: s.CosineAnnealingLR(o, COUNT - 1, final)), 1e-12)


@pytest.mark.parametrize(("steps", "warmup", "final"), [(50, 10, 0.0), (40, 39, 0.01), (5, 1, 0.1)])
def test_cosine_decay_with_a_rise_as_optax(steps, warmup, final):
    found = rates(schedules.cosine_decay(0.3, steps, warmup=warmup, final=final))
    expected = optax_rates(
        lambda o: o.warmup_cosine_decay_schedule(0.0, 0.3, warmup, steps, end_value=final)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)
    assert found[0] == 0
    assert found[warmup] == 0.3
    assert set(found[steps:]) == {final}


@pytest.mark.parametrize(
    ("steps", "options"),
    [
        (COUNT, {}),
        (COUNT, {"pct_start": 0.5, "div_factor": 10.0, "final_div_factor": 100.0}),
        (COUNT - 1, {"pct_start": 0.02}),
        (7, {"pct_start": 0.9}),
    ],
)
def test_one_cycle_as_pytorch(steps, options):
    found = rates(schedules.one_cycle(0.3, steps, **options), steps)
    expected = torch_rates(
        lambda s, o: s.OneCycleLR(o, 0.3, total_steps=steps, cycle_momentum=False, **options),
        count=steps,
    )
    close(found, expected, 1e-12)


def test_a_rise_of_less_than_a_step_is_left_out():
    found = rates(schedules.one_cycle(1.0, 11, pct_start=0.01, final_div_factor=4.0), 11)
    end = 1 / 25 / 4
    close(found, [end + (1 - end) * (1 + math.cos(math.pi * t / 10)) / 2 for t in range(11)])


def test_after_the_cycle_the_rate_stays():
    schedule = schedules.one_cycle(1.0, 10)
    assert schedule(9) == schedule(10) == schedule(1000) == pytest.approx(1 / 25e4, rel=1e-12)


@given(
    lr=st.floats(1e-6, 10),
    steps=st.integers(2, 500),
    share=st.floats(0, 0.99),
    final=st.floats(0, 1),
    t=st.integers(0, 1000),
)
def test_the_rate_lies_between_the_ends(lr, steps, share, final, t):
    final *= lr
    warmup = int(share * steps)
    rate = schedules.cosine_decay(lr, steps, warmup=warmup, final=final)(t)
    assert (0 if t < warmup else final * (1 - 1e-12)) <= rate <= lr * (1 + 1e-12)
    cycle = schedules.one_cycle(lr, steps, pct_start=max(share, 1e-3))(t)
    assert lr / 25e4 * (1 - 1e-9) <= cycle <= lr * (1 + 1e-12)


def test_late_steps_do_not_overflow():
    for schedule in (
        schedules.step_decay(1.0, 1, factor=0.5),
        schedules.exponential_decay(1.0, 0.5),
        schedules.cosine_decay(1.0, 10),
        schedules.one_cycle(1.0, 10),
    ):
        assert 0 <= schedule(10**6) < 1


def test_schedules_with_the_same_options_are_equal():
    assert schedules.constant(0.1) == schedules.constant(0.1)
    assert schedules.constant(0.1) != schedules.constant(0.2)
    assert hash(schedules.one_cycle(0.1, 10)) == hash(schedules.one_cycle(0.1, 10))


def test_representations_tell_all_options():
    """They are compared when a run goes on."""
    assert repr(schedules.constant(1 / 3)) == "constant(lr=0.3333333333333333)"
    assert (
        repr(schedules.cosine_decay(0.1, 10_000_001, warmup=3))
        == "cosine_decay(lr=0.1, steps=10000001, warmup=3, final=0.0)"
    )
    namespace = vars(schedules)
    for schedule in (
        schedules.step_decay(np.float64(0.1), np.int64(3)),
        schedules.exponential_decay(1 / 7, math.nextafter(1, 0), every=3),
        schedules.one_cycle(0.1, 10, pct_start=1 / 3, div_factor=1e10),
    ):
        assert eval(repr(schedule), dict(namespace)) == schedule  # noqa: S307


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: schedules.constant(0), "lr must be a positive number; got 0"),
        (lambda: schedules.constant("0.1"), "lr must be a positive number; got '0.1'"),
        (lambda: schedules.constant(True), "lr must be a positive number; got True"),
        (lambda: schedules.step_decay(0.1, 0), "every must be an integer, 1 or more; got 0"),
        (lambda: schedules.step_decay(0.1, 5, factor=-1), "factor must be a positive number"),
        (lambda: schedules.exponential_decay(0.1, 0), "rate must be a positive number; got 0"),
        (lambda: schedules.exponential_decay(0.1, 0.5, every=1.5), "every must be an integer"),
        (lambda: schedules.cosine_decay(0.1, 0), "steps must be an integer, 1 or more; got 0"),
        (lambda: schedules.cosine_decay(0.1, 5, warmup=5), "warmup must be less than steps=5"),
        (lambda: schedules.cosine_decay(0.1, 5, warmup=-1), "warmup must be an integer, 0 or"),
        (lambda: schedules.cosine_decay(0.1, 5, final=-1), "final must be a number, 0 or more"),
        (lambda: schedules.cosine_decay(0.1, 5, final=True), "final must be a number, 0 or more"),
        (lambda: schedules.one_cycle(0.1, 1), "steps must be an integer, 2 or more; got 1"),
        (lambda: schedules.one_cycle(0.1, 9, pct_start=30), "pct_start must be a fraction between"),
        (lambda: schedules.one_cycle(0.1, 9, div_factor=0), "div_factor must be a positive"),
        (lambda: schedules.one_cycle(math.inf, 9), "lr must be a positive number; got inf"),
    ],
)
def test_bad_options(make, message):
    with pytest.raises(ValueError, match=message):
        make()
