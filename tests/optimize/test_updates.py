"""Update rules against PyTorch's and Optax's, step by step, and on every library."""

from __future__ import annotations

import math

import numpy as np
import pytest

import gdx
from gdx.optimize.updates import optimizer as chains
from gdx.optimize.updates import published, schedules
from gdx.optimize.updates.segments import OptimizerState
from gdx.trees import leaves

STEPS = 200

RULES = {
    "sgd": published.sgd(0.01),
    "momentum": published.momentum(0.01, momentum=0.8),
    "nesterov": published.nesterov(0.01, momentum=0.8),
    "adagrad": published.adagrad(0.1, eps=1e-7),
    "rmsprop": published.rmsprop(0.01, rho=0.95, eps=1e-6),
    "adam": published.adam(0.02, beta1=0.8, beta2=0.99, eps=1e-6),
    "adamw": published.adamw(0.02, beta1=0.8, beta2=0.99, eps=1e-6, weight_decay=0.1),
    "amsgrad": published.amsgrad(0.02, beta1=0.8, beta2=0.99, eps=1e-6),
    "lion": published.lion(0.003, beta1=0.8, beta2=0.95, weight_decay=0.1),
}
CLIPPED = chains.chain(
    chains.clip_by_global_norm(0.5), chains.weight_decay(0.01), published.adam(0.02)
)
EVERY = {**RULES, "chain": CLIPPED}

START = {
    "W": np.random.default_rng(0).standard_normal((3, 4)),
    "b": np.random.default_rng(1).standard_normal(4),
}
for array in START.values():
    array.flags.writeable = False  # tests in any order begin at the same point


def gradients(shapes=None):
    """Return the gradients of all steps: noise whose size and sign change."""
    rng = np.random.default_rng(2)
    shapes = {name: x.shape for name, x in START.items()} if shapes is None else shapes
    return [
        {name: rng.standard_normal(shape) * 10.0 ** rng.uniform(-3, 1) for name, shape in pairs}
        for pairs in [shapes.items()] * STEPS
    ]


def path(optimizer, params, grads):
    """Return the parameters after each step."""
    state, points = optimizer.init(params), []
    take = optimizer.runner(params)
    for grad in grads:
        params, state = take(grad, state, params)
        points.append([np.array(gdx.to_numpy(leaf)) for leaf in leaves(params)])
    return points


def slots_of(state):
    return [slot for slots in state.slots for slot in slots]


def copied(params=START):
    return {name: x.copy() for name, x in params.items()}


def torch_optimizer(name, params):
    optim = pytest.importorskip("torch").optim
    return {
        "sgd": lambda: optim.SGD(params, 0.01),
        "momentum": lambda: optim.SGD(params, 0.01, momentum=0.8),
        "nesterov": lambda: optim.SGD(params, 0.01, momentum=0.8, nesterov=True),
        "adagrad": lambda: optim.Adagrad(params, 0.1, eps=1e-7),
        "rmsprop": lambda: optim.RMSprop(params, 0.01, alpha=0.95, eps=1e-6),
        "adam": lambda: optim.Adam(params, 0.02, (0.8, 0.99), 1e-6),
        "adamw": lambda: optim.AdamW(params, 0.02, (0.8, 0.99), 1e-6, weight_decay=0.1),
        "amsgrad": lambda: optim.Adam(params, 0.02, (0.8, 0.99), 1e-6, amsgrad=True),
        "chain": lambda: optim.Adam(params, 0.02, weight_decay=0.01),
    }[name]()


def torch_path(name, start, grads):
    torch = pytest.importorskip("torch")
    params = [torch.tensor(x).requires_grad_() for x in start.values()]
    optimizer, points = torch_optimizer(name, params), []
    for grad in grads:
        for p, g in zip(params, grad.values(), strict=True):
            p.grad = torch.tensor(g)
        if name == "chain":
            torch.nn.utils.clip_grad_norm_(params, 0.5)
        optimizer.step()
        points.append([p.detach().numpy().copy() for p in params])
    return points


def optax_optimizer(name):
    optax = pytest.importorskip("optax")
    return {
        "sgd": lambda: optax.sgd(0.01),
        "momentum": lambda: optax.sgd(0.01, momentum=0.8),
        "nesterov": lambda: optax.sgd(0.01, momentum=0.8, nesterov=True),
        "adam": lambda: optax.adam(0.02, 0.8, 0.99, 1e-6),
        "adamw": lambda: optax.adamw(0.02, 0.8, 0.99, 1e-6, weight_decay=0.1),
        "lion": lambda: optax.lion(0.003, 0.8, 0.95, weight_decay=0.1),
        "rmsprop": lambda: optax.rmsprop(0.01, 0.95, 1e-6, eps_in_sqrt=False),
        "chain": lambda: optax.chain(
            optax.clip_by_global_norm(0.5), optax.add_decayed_weights(0.01), optax.adam(0.02)
        ),
    }[name]()


def optax_path(name, start, grads):
    jax = pytest.importorskip("jax")
    optimizer, points = optax_optimizer(name), []
    with jax.enable_x64(True):
        params = {key: jax.numpy.asarray(x) for key, x in start.items()}
        state = optimizer.init(params)
        step = jax.jit(optimizer.update)
        for grad in grads:
            updates, state = step(grad, state, params)
            params = {key: params[key] + updates[key] for key in params}
            points.append([np.array(params[key]) for key in start])
    return points


def close(points, expected, rtol=1e-12):
    """Compare in units of the largest element: some pass through zero."""
    assert len(points) == len(expected) == STEPS
    for arrays, others in zip(points, expected, strict=True):
        for x, y in zip(arrays, others, strict=True):
            np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol * np.max(np.abs(y)))


@pytest.mark.parametrize("name", [name for name in EVERY if name != "lion"])
def test_as_pytorch(name):
    grads = gradients()
    # Its clip_grad_norm_ adds 1e-6 to the norm.
    rtol = 1e-6 if name == "chain" else 1e-12
    close(path(EVERY[name], copied(), grads), torch_path(name, START, grads), rtol)


@pytest.mark.parametrize(
    "name", ["sgd", "momentum", "nesterov", "rmsprop", "adam", "adamw", "lion", "chain"]
)
def test_as_optax(name):
    grads = gradients()
    close(path(EVERY[name], copied(), grads), optax_path(name, START, grads))


@pytest.mark.parametrize("name", EVERY)
def test_one_array_goes_the_way_of_a_dict_of_it(name):
    grads = gradients({"W": (3, 4)})
    alone = path(EVERY[name], START["W"].copy(), [grad["W"] for grad in grads])
    close(path(EVERY[name], {"W": START["W"].copy()}, grads), alone, 1e-15)


@pytest.mark.parametrize("name", EVERY)
def test_an_update_is_the_step_and_changes_nothing(name):
    optimizer, params = EVERY[name], copied()
    state = optimizer.init(params)
    for grad in gradients()[:3]:
        before = [leaf.copy() for leaf in [*leaves((params, grad)), *slots_of(state)]]
        step, after = optimizer.update(grad, state, params)
        for leaf, old in zip([*leaves((params, grad)), *slots_of(state)], before, strict=True):
            np.testing.assert_array_equal(leaf, old)
        expected = {key: params[key] + step[key] for key in params}
        params, state = optimizer.apply(grad, state, params)
        for key, x in expected.items():
            np.testing.assert_allclose(params[key], x, rtol=1e-14)
        for slot, own in zip(slots_of(after), slots_of(state), strict=True):
            np.testing.assert_array_equal(slot, own)
        assert after.step == state.step


def test_steps_are_in_the_memory_of_the_parameters():
    optimizer, params = RULES["adam"], copied()
    state = optimizer.init(params)
    after, next_state = optimizer.apply(gradients()[0], state, params)
    assert all(after[key] is params[key] for key in params)
    for slot, own in zip(slots_of(state), slots_of(next_state), strict=True):
        assert slot is own


@pytest.mark.parametrize("name", EVERY)
def test_on_every_library(case, name):
    dtype = "float64" if case.has_float64 else "float32"
    grads = gradients()[:20]
    params = {key: case.asarray(x, dtype) for key, x in START.items()}
    state, kept = EVERY[name].init(params), []
    take = EVERY[name].runner(params)
    for grad in grads:
        g = {key: case.asarray(x, dtype) for key, x in grad.items()}
        params, state = take(g, state, params)
        kept.append((g, grad))
        assert all(case.holds(leaf) for leaf in [*leaves(params), *slots_of(state)])
        assert all(leaf.dtype == g["W"].dtype for leaf in [*leaves(params), *slots_of(state)])
    expected = path(EVERY[name], copied(), grads)[-1]
    for leaf, x in zip(leaves(params), expected, strict=True):
        np.testing.assert_allclose(gdx.to_numpy(leaf), x, rtol=100 * case.eps, atol=100 * case.eps)
    for g, grad in kept:  # which no step has changed
        for key, x in grad.items():
            np.testing.assert_array_equal(gdx.to_numpy(g[key]), x.astype(dtype))


@pytest.mark.parametrize("name", EVERY)
def test_without_axes_and_without_elements(case, name):
    params = {"a": case.asarray(1.5), "b": case.asarray(np.ones((0, 3)))}
    grad = {"a": case.asarray(0.5), "b": case.asarray(np.ones((0, 3)))}
    expected, state = {"x": np.asarray([1.5])}, EVERY[name].init(params)
    of_vector = EVERY[name].init(expected)
    for _ in range(3):
        step, _ = EVERY[name].update(grad, state, params)
        assert case.holds(step["a"])
        assert step["a"].shape == ()
        params, state = EVERY[name].apply(grad, state, params)
        expected, of_vector = EVERY[name].apply({"x": np.asarray([0.5])}, of_vector, expected)
        assert case.holds(params["a"])
        assert params["a"].shape == ()
        assert params["b"].shape == (0, 3)
    x = gdx.to_numpy(params["a"])
    np.testing.assert_allclose(x, expected["x"][0], rtol=20 * case.eps)
    assert x != 1.5


@pytest.mark.parametrize("name", EVERY)
def test_half_precision_is_computed_in_single(name):
    grads = [{key: x.astype(np.float16) for key, x in grad.items()} for grad in gradients()[:50]]
    params = {key: x.astype(np.float16) for key, x in START.items()}
    single = {key: x.astype(np.float32) for key, x in params.items()}
    state, of_single = EVERY[name].init(params), EVERY[name].init(single)
    for grad in grads:
        params, state = EVERY[name].apply(grad, state, params)
        step, of_single = EVERY[name].update(
            {key: x.astype(np.float32) for key, x in grad.items()}, of_single, single
        )
        single = {
            key: (x + step[key]).astype(np.float16).astype(np.float32) for key, x in single.items()
        }
        for key, x in params.items():
            assert x.dtype == np.float16
            np.testing.assert_allclose(x.astype(np.float32), single[key], rtol=2e-3, atol=1e-6)
    assert all(slot.dtype == np.float32 for slot in slots_of(state))


@pytest.mark.parametrize(("library", "dtype"), [("torch", "bfloat16"), ("jax", "float16")])
def test_half_precision_of_other_libraries(library, dtype):
    xp = pytest.importorskip({"torch": "torch", "jax": "jax.numpy"}[library])
    x = xp.asarray([1.0, -2.0], dtype=getattr(xp, dtype))
    state, optimizer = RULES["adamw"].init(x), RULES["adamw"]
    step, _ = optimizer.update(1e-4 * x, state, x)
    after, state = optimizer.apply(1e-4 * x, state, x)
    assert step.dtype == after.dtype == getattr(xp, dtype)
    assert all(slot.dtype == xp.float32 for slot in slots_of(state))
    # A squared gradient of 1e-8 does not vanish: the step is lr · sign(g), and the decay.
    expected = np.asarray([1.0, -2.0]) - 0.02 * (np.asarray([1, -1]) + 0.1 * np.asarray([1, -2]))
    np.testing.assert_allclose(gdx.to_numpy(after), expected, rtol=8e-3)


def test_torch_parameters_with_gradients_of_their_own():
    torch = pytest.importorskip("torch")
    x = torch.nn.Parameter(torch.tensor([1.0, 2.0], dtype=torch.float64))
    (x * x).sum().backward()
    after, state = RULES["sgd"].apply(x.grad, RULES["sgd"].init(x), x)
    assert after is x
    assert not any(slot.requires_grad for slot in slots_of(state))
    np.testing.assert_allclose(x.detach().numpy(), [0.98, 1.96])


def test_expanded_tensors_have_no_memory_to_step_in():
    torch = pytest.importorskip("torch")
    x = torch.ones(1, dtype=torch.float64).expand(3)
    after, _ = RULES["sgd"].apply(torch.asarray([1.0, 2.0, 3.0]), RULES["sgd"].init(x), x)
    np.testing.assert_allclose(after.numpy(), [0.99, 0.98, 0.97], rtol=1e-7)
    assert x[0] == 1


@pytest.mark.parametrize("name", EVERY)
def test_a_gradient_that_is_the_parameters(case, name):
    """As that of Σx² / 2, which shares their memory."""
    expected = path(EVERY[name], {"x": START["b"].copy()}, [{"x": START["b"]}])[0][0]
    x = case.asarray(START["b"])
    after, _ = EVERY[name].apply({"x": x}, EVERY[name].init({"x": x}), {"x": x})
    np.testing.assert_allclose(gdx.to_numpy(after["x"]), expected, rtol=20 * case.eps)
    x = case.asarray(START["b"])
    after, _ = EVERY[name].apply(x, EVERY[name].init(x), x)
    np.testing.assert_allclose(gdx.to_numpy(after), expected, rtol=20 * case.eps)


@pytest.mark.parametrize("name", EVERY)
def test_gradients_that_are_the_other_parameters(case, name):
    """As those of Σab."""
    start = {"a": START["b"], "b": START["b"][::-1].copy()}
    crossed = {"a": start["b"], "b": start["a"]}
    expected = path(EVERY[name], copied(start), [crossed])[0]
    a, b = (case.asarray(x) for x in start.values())
    params = {"a": a, "b": b}
    after, _ = EVERY[name].apply({"a": b, "b": a}, EVERY[name].init(params), params)
    for x, exact in zip(after.values(), expected, strict=True):
        np.testing.assert_allclose(gdx.to_numpy(x), exact, rtol=20 * case.eps)


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_gradients_that_are_views_of_the_other_parameters(library):
    xp = pytest.importorskip(library)
    flat = xp.asarray(np.arange(1.0, 7.0))
    params = [flat[:3], flat[3:]]
    after, _ = RULES["sgd"].apply([flat[3:], flat[:3]], RULES["sgd"].init(params), params)
    np.testing.assert_allclose(after[0], [0.96, 1.95, 2.94])
    np.testing.assert_allclose(after[1], [3.99, 4.98, 5.97])


def test_one_array_at_two_places_takes_one_step_at_each(case):
    x = case.asarray([1.0, 2.0])
    tied = [x, x]
    after, _ = RULES["sgd"].apply([2 * x, 4 * x], RULES["sgd"].init(tied), tied)
    np.testing.assert_allclose(gdx.to_numpy(after[0]), [0.98, 1.96], rtol=1e-6)
    np.testing.assert_allclose(gdx.to_numpy(after[1]), [0.96, 1.92], rtol=1e-6)


@pytest.mark.parametrize("name", EVERY)
def test_a_step_reads_nothing_from_the_device(no_host_sync, name):
    strict = no_host_sync
    device = strict.Device("device1")
    params = {key: strict.asarray(x, device=device) for key, x in copied().items()}
    state = EVERY[name].init(params)
    for _ in range(2):
        params, state = EVERY[name].apply({k: 2 * x for k, x in params.items()}, state, params)
        EVERY[name].update(params, state, params)


def test_clipping_of_values():
    optimizer = chains.chain(chains.clip_by_value(1.0), published.sgd(1.0))
    x = np.zeros(4)
    step, _ = optimizer.update(np.asarray([0.5, -3.0, 7.0, np.nan]), optimizer.init(x), x)
    np.testing.assert_array_equal(step, [-0.5, 1, -1, np.nan])


def test_a_norm_below_the_limit_and_of_zero_is_left_alone():
    optimizer = chains.chain(chains.clip_by_global_norm(10.0), published.sgd(1.0))
    for grad in ([np.asarray([3.0]), np.asarray([4.0])], [np.zeros(1), np.zeros(1)]):
        step, _ = optimizer.update(grad, optimizer.init(grad), grad)
        np.testing.assert_array_equal(step, [-g for g in grad])


def test_clipping_after_the_rule_works_on_the_step():
    optimizer = chains.chain(published.sgd(1.0), chains.clip_by_global_norm(1.0))
    grad = [np.asarray([3.0]), np.asarray([4.0])]
    for _ in range(2):
        step, _ = optimizer.update(grad, optimizer.init(grad), grad)
        np.testing.assert_allclose(np.ravel(step), [-0.6, -0.8])
        after, _ = optimizer.apply(grad, optimizer.init(grad), [np.ones(1), np.ones(1)])
        np.testing.assert_allclose(np.ravel(after), [0.4, 0.2])
    np.testing.assert_array_equal(np.ravel(grad), [3, 4])


def test_precisions_beside_each_other_keep_theirs():
    params = {"a": np.ones(2, np.float32), "b": np.ones(2)}
    grad = {"a": np.full(2, 3.0), "b": np.full(2, 4.0, np.float32)}
    after, state = CLIPPED.apply(grad, CLIPPED.init(params), params)
    assert [leaf.dtype for leaf in leaves(after)] == [np.float32, np.float64]
    assert [leaf.dtype for leaf in slots_of(state)] == [np.float32] * 2 + [np.float64] * 2


def test_schedules_are_followed():
    rate = schedules.step_decay(0.5, 2, factor=0.5)
    x = np.zeros(1)
    points = path(published.sgd(rate), x, [np.ones(1)] * 5)
    assert [float(point[0][0]) for point in points] == [-0.5, -1, -1.25, -1.5, -1.625]
    assert published.sgd(rate).lr_at(4) == 0.125


def test_a_rate_of_zero_is_a_step_of_zero():
    x = np.ones(2)
    optimizer = published.adamw(schedules.cosine_decay(0.1, 10, warmup=5))
    step, _ = optimizer.update(x, optimizer.init(x), x)
    np.testing.assert_array_equal(step, [0, 0])


def test_resuming_from_a_state():
    grads = gradients()[:20]
    expected = path(RULES["adam"], copied(), grads)[-1]
    params = copied()
    state = RULES["adam"].init(params)
    for grad in grads[:7]:
        params, state = RULES["adam"].apply(grad, state, params)
    slots = tuple(tuple(slot.copy() for slot in own) for own in state.slots)
    state = OptimizerState(state.step, slots)
    for grad in grads[7:]:
        params, state = RULES["adam"].apply(grad, state, params)
    for leaf, x in zip(leaves(params), expected, strict=True):
        np.testing.assert_array_equal(leaf, x)


def test_names_and_representations():
    assert repr(published.adam()) == "adam(lr=0.001)"
    assert repr(published.momentum(0.1, momentum=0.5)) == "momentum(lr=0.1, momentum=0.5)"
    assert repr(published.sgd(gradients)) == "sgd(lr=gradients)"  # with no address in memory
    assert CLIPPED.name == "clip_by_global_norm + weight_decay + adam"
    clip = chains.clip_by_value(1 / 3)
    close_rates = [schedules.constant(0.1), schedules.constant(math.nextafter(0.1, 1))]
    shown = {repr(chains.chain(clip, published.sgd(rate))) for rate in close_rates}
    assert len(shown) == 2
    assert "chain(clip_by_value(limit=0.3333333333333333), sgd(lr=constant(lr=0.1)))" in shown


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: published.sgd(0), "lr must be a positive number; got 0"),
        (lambda: published.sgd("fast"), "lr must be a positive number; got 'fast'"),
        (lambda: published.adam(math.nan), "lr must be a positive number; got nan"),
        (lambda: published.momentum(momentum=1), "momentum must be 0 or more, and less than 1"),
        (lambda: published.adam(beta2=1.5), "beta2 must be 0 or more, and less than 1; got 1.5"),
        (lambda: published.rmsprop(rho=-1), "rho must be a number, 0 or more; got -1"),
        (lambda: published.adagrad(eps=0), "eps must be a positive number; got 0"),
        (lambda: published.lion(weight_decay=-1), "weight_decay must be a number, 0 or more"),
        (lambda: chains.clip_by_value(-1), "limit must be a positive number; got -1"),
        (lambda: chains.clip_by_global_norm(None), "max_norm must be a positive number"),
        (lambda: chains.weight_decay(-1), "rate must be a number, 0 or more; got -1"),
        (chains.chain, "chain needs an optimizer"),
        (lambda: chains.chain(published.sgd(), published.adam()), "got sgd and adam"),
        (
            lambda: chains.chain(published.sgd(), chains.weight_decay(0.1)),
            "weight_decay after the learning rate",
        ),
        (lambda: chains.clip_by_value(1.0).init(np.ones(2)), r"no learning rate.*sgd\(0.01\)"),
    ],
)
def test_bad_options(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("grad", "params", "error", "message"),
    [
        (np.ones(3), np.ones(2), ValueError, r"grad must have the shapes.*\(2,\); got \(3,\)"),
        ({"a": np.ones(2)}, {"b": np.ones(2)}, ValueError, "grad must have the structure.*'b'"),
        ([np.ones(2)], (np.ones(2), np.ones(2)), ValueError, "grad must have the structure.*of 1"),
        (np.ones(2), {"b": np.ones(2)}, ValueError, "grad must have the structure.*ndarray"),
        (np.ones(2) * 1j, np.ones(2), TypeError, "grad must hold real numbers.*complex128"),
        (np.ones(2), np.ones(2, np.int64), TypeError, "params must hold real floating.*int64"),
        (np.ones(2), np.ones(2) * 1j, TypeError, "params must hold real floating.*complex128"),
        (["a", "b"], np.ones(2), TypeError, "grad must hold real numbers; got"),
    ],
)
def test_bad_gradients_and_parameters(grad, params, error, message):
    optimizer = RULES["adam"]
    for method in (optimizer.update, optimizer.apply):
        with pytest.raises(error, match=message):
            method(grad, optimizer.init(params), params)


def test_no_parameters_at_all():
    optimizer = RULES["sgd"]
    with pytest.raises(ValueError, match="params must hold an array; got {}"):
        optimizer.apply({}, optimizer.init({}), {})


def test_gradients_that_are_numbers_or_integers():
    after, _ = RULES["sgd"].apply(2.0, RULES["sgd"].init(np.asarray(1.0)), np.asarray(1.0))
    assert after == 0.98
    x = np.ones(2)
    RULES["sgd"].apply(np.asarray([1, 2]), RULES["sgd"].init(x), x)
    np.testing.assert_allclose(x, [0.99, 0.98])


def test_two_libraries_are_not_mixed():
    torch = pytest.importorskip("torch")
    x = torch.ones(2)
    with pytest.raises(TypeError, match=r"two libraries.*numpy"):
        RULES["sgd"].apply(np.ones(2), RULES["sgd"].init(x), x)


@pytest.mark.parametrize("rate", [-0.1, math.nan, math.inf])
def test_a_bad_rate_of_a_schedule_names_the_step(rate):
    optimizer, x = published.sgd(lambda t: 0.1 if t == 0 else rate), np.ones(1)
    _, state = optimizer.apply(x.copy(), optimizer.init(x), x)
    with pytest.raises(ValueError, match=f"lr must be a finite number.*at step 1 it is {rate}"):
        optimizer.apply(x.copy(), state, x)


def test_chain_takes_optimizers():
    with pytest.raises(TypeError, match=r"chain takes optimizers.*got str"):
        chains.chain("adam")
