"""Random programs of views and assignments, differentiated by gdx and by the complex step.

``python tests/autodiff/fuzz.py 10000 --seed 1`` prints each program that fails, shrunk, and how
many were refused. The oracle runs the very program on complex arrays: the derivative is the
imaginary part of f(x + ihd) / h, exact to rounding (Squire & Trapp, 1998).
"""

from __future__ import annotations

import argparse
import sys
import textwrap
import warnings
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

import gdx

STEP = 1e-30
LARGEST = 30.0  # of the values in a program, so that derivatives stay of order one


class Program(NamedTuple):
    """The statements of a function of x, and the point at which it is differentiated."""

    statements: list[str]
    x: np.ndarray

    @property
    def source(self) -> str:
        lines = ["total = 0.1 * np.sum(x)", *self.statements, "return total"]
        return "def f(x):\n" + textwrap.indent("\n".join(lines), "    ")


class Failure(NamedTuple):
    """What is wrong with the derivatives of a program."""

    kind: str
    details: str


def weights(shape: tuple[int, ...], salt: int) -> np.ndarray:
    return np.random.default_rng([salt, *shape]).uniform(0.5, 1.5, shape)


def stopped(x: Any) -> Any:
    """Return a constant, of plain and of complex arrays."""
    return x.real + 0 * x if np.iscomplexobj(x) else x * 1


def plain_names(dtype: type) -> dict[str, Any]:
    """Return what programs refer to, where arrays are NumPy's."""
    xp = SimpleNamespace(
        zeros=lambda shape: np.zeros(shape, dtype),
        ones=lambda shape: np.ones(shape, dtype),
        asarray=lambda x, copy=None: np.array(x, copy=copy),
        concat=np.concat,
        stack=np.stack,
        reshape=np.reshape,
        permute_dims=np.permute_dims,
    )
    stop = stopped if dtype is float else lambda x: x.real.astype(complex)
    return {"np": np, "xp": xp, "stop": stop, "weights": weights}


def compiled(program: Program, names: dict[str, Any]) -> Callable[[Any], Any]:
    scope = dict(names)
    exec(program.source, scope)
    return scope["f"]


def traced(program: Program) -> Callable[[Any], Any]:
    """Return the program as a user writes it, with the namespace of its argument."""

    def f(x: Any) -> Any:
        names = {**plain_names(float), "xp": gdx.array_namespace(x), "stop": gdx.stop_gradient}
        return compiled(program, names)(x)

    return f


class Generator:
    """Writes statements, and runs each: what NumPy refuses, or what grows, is left out.

    Variables v0, v1, … depend on x, or can; c are constant arrays, n integers, b work buffers.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        shapes: list[tuple[int, ...]] = [(4,), (5,), (2, 3), (3, 3), (3, 2), (2, 2, 3), (1, 4), ()]
        shape = shapes[rng.choice(len(shapes), p=[0.2, 0.1, 0.15, 0.25, 0.1, 0.1, 0.05, 0.05])]
        self.x = rng.uniform(-1.5, 1.5, shape)
        self.names = plain_names(float)
        self.names.update(x=self.x.copy(), total=0.0)
        self.statements: list[str] = []
        self.count = 0

    def program(self, length: int) -> Program:
        self.add(self.pick("v0 = x", "v0 = x", "v0 = x * 1.0", "v0 = np.sin(x)"))
        self.count = 1
        for _ in range(4 * length):
            if len(self.statements) >= length:
                break
            self.add(self.statement())
        for name in self.variables():
            salt = int(name[1:])
            self.add(f"total = total + np.sum(np.tanh({name}) * weights(np.shape({name}), {salt}))")
        return Program(self.statements, self.x)

    def add(self, statement: str) -> None:
        if not statement:
            return
        try:
            exec(statement, self.names)
        except (ArithmeticError, IndexError, TypeError, ValueError, Warning, NameError):
            return
        values = [self.names[name] for name in self.variables()]
        if all(np.all(np.abs(v) < LARGEST) and np.size(v) <= 60 for v in values):
            self.statements.append(statement)
        else:
            raise OverflowError(statement)

    # Choices

    def pick(self, *choices: str) -> str:
        return choices[self.rng.integers(len(choices))]

    def variables(self) -> list[str]:
        return sorted(name for name in self.names if name[0] == "v" and name[1:].isdecimal())

    def constants(self) -> list[str]:
        return [name for name in self.names if name[0] in "cn" and name[1:].isdecimal()]

    def variable(self, ndim: int = 0) -> str:
        """Return a variable, of recent ones rather, with so many axes at least."""
        fitting = [v for v in self.variables() if np.ndim(self.names[v]) >= ndim]
        if not fitting:
            return "x"
        if self.rng.random() < 0.5:
            fitting = fitting[-3:]
        return self.pick(*fitting)

    def new(self) -> str:
        if self.rng.random() < 0.2:
            return self.variable()  # the name is bound again
        self.count += 1
        return f"v{self.count - 1}"

    def shape(self, name: str) -> tuple[int, ...]:
        return np.shape(self.names[name])

    def number(self) -> str:
        return self.pick("2.0", "0.5", "-1.5", "0.25", "3", "1")

    def place(self, shape: tuple[int, ...]) -> str:
        """Return a basic index."""
        parts = []
        for n in shape[: self.rng.integers(0, len(shape) + 1)]:
            i = int(self.rng.integers(-n, n)) if n else 0
            parts.append(
                self.pick(str(i), str(i), ":", "1:", ":-1", "::2", "::-1", "-2:", f"{i}:", ":1")
            )
        if self.rng.random() < 0.25:
            parts.insert(0 if self.rng.random() < 0.5 else len(parts), "...")
        if self.rng.random() < 0.1:
            parts.append("None")
        return ", ".join(parts) or self.pick(":", "...", "...") if shape else "..."

    def places(self, shape: tuple[int, ...]) -> str:
        """Return a fancy index: of integers, perhaps twice the same, or a mask."""
        if not shape or not shape[0]:
            return "..."
        n = shape[0]
        taken = [int(i) for i in self.rng.integers(-n, n, size=self.rng.integers(1, 4))]
        mask = [bool(b) for b in self.rng.random(n) < 0.6]
        choices = [f"{taken}", f"np.asarray({taken})", f"np.asarray({mask})"]
        if len(shape) > 1:
            others = [int(i) for i in self.rng.integers(0, shape[1], size=len(taken))]
            choices += [f"{taken}, {others}", f":, {others}", f"{taken}, 0", f"{taken}, 1:"]
        return self.pick(*choices)

    def part(self, name: str) -> str:
        kind = self.rng.random()
        if kind < 0.4:
            return name
        index = self.place if kind < 0.85 else self.places
        return f"{name}[{index(self.shape(name))}]"

    def expression(self, shape: tuple[int, ...] | None = None, depth: int = 2) -> str:
        """Return an expression; with a shape, one that can be broadcast to it."""
        if depth == 0 or self.rng.random() < 0.2:
            return self.leaf(shape)
        one = self.expression(shape, depth - 1)
        kind = self.rng.random()
        if kind < 0.3:
            function = self.pick("sin", "tanh", "cos", "arctan", "negative", "square", "positive")
            return f"np.{function}({one})"
        if kind < 0.4:
            return f"{self.number()} * {one}"
        if kind < 0.5 and self.constants():
            return f"({one} * {self.pick(*self.constants())})"
        other = self.expression(shape, depth - 1)
        return f"({one} {self.pick('+', '-', '*', '*')} {other})"

    def leaf(self, shape: tuple[int, ...] | None) -> str:
        if shape is not None:
            for _ in range(6):
                leaf = self.part(self.variable())
                found = np.shape(eval(leaf, self.names)) if self.valid(leaf) else None  # noqa: S307
                if found is not None and broadcasts(found, shape):
                    return leaf
            return f"np.sum({self.variable()})" if self.rng.random() < 0.7 else self.number()
        return self.part(self.variable())

    def valid(self, expression: str) -> bool:
        try:
            eval(expression, self.names)  # noqa: S307
        except (IndexError, TypeError, ValueError):
            return False
        return True

    # Statements

    def statement(self) -> str:
        kinds = (
            (self.arithmetic, 14),
            (self.view, 22),
            (self.reading, 8),
            (self.assignment, 16),
            (self.in_place, 20),
            (self.recurrence, 5),
            (self.rows, 3),
            (self.function, 14),
            (self.constant, 8),
            (self.buffer, 3),
            (self.output, 3),
            (self.binding, 5),
        )
        odds = np.asarray([weight for _, weight in kinds], dtype=float)
        return kinds[self.rng.choice(len(kinds), p=odds / odds.sum())][0]()

    def arithmetic(self) -> str:
        return f"{self.new()} = {self.expression(self.shape(self.variable()))}"

    def view(self) -> str:
        v = self.variable()
        if self.rng.random() < 0.5:
            return f"{self.new()} = {v}[{self.place(self.shape(v))}]"
        views = """
            {v}.T|{v}.reshape(-1)|{v}.reshape({v}.shape[::-1])|{v}.ravel()|{v}.swapaxes(0, -1)
            {v}.flatten()|{v}.squeeze()|{v}.copy()|{v}.transpose()|{v}.reshape(2, -1)|{v}[None]
            {v}.diagonal()|{v}[..., None]|{v}[()]|{v}[...]
            np.flip({v}, 0)|np.flip({v})|np.expand_dims({v}, 0)|np.atleast_2d({v})|np.squeeze({v})
            np.ravel({v})|np.reshape({v}, (-1, 1))|np.transpose({v})|np.moveaxis({v}, 0, -1)
            np.swapaxes({v}, 0, 1)|np.rot90({v})|np.rot90({v}, 2)|np.split({v}, [1])[1]
            np.array_split({v}, 2)[0]|np.broadcast_to({v}, (2, *np.shape({v})))|np.diagonal({v})
            np.einsum("ij->ji", {v})|np.einsum("ii->i", {v}[:1, :1])|np.fliplr({v})|np.flipud({v})
            np.atleast_1d({v})|np.atleast_3d({v})|np.copy({v})|+{v}|{v}.view()
            xp.asarray({v})|xp.asarray({v}, copy=True)|xp.reshape({v}, (-1,))
            xp.permute_dims({v}, tuple(range({v}.ndim))[::-1])|np.hsplit({v}, [1])[0]
            [row for row in {v}][-1]|list({v})[0]|np.unstack({v})[0]|np.meshgrid({v})[0]
        """
        views = [view for line in views.strip().splitlines() for view in line.strip().split("|")]
        return f"{self.new()} = {self.pick(*views).format(v=v)}"

    def reading(self) -> str:
        v = self.variable(1)
        shape = self.shape(v)
        if self.rng.random() < 0.4 and shape and 0 not in shape:
            place = ", ".join(str(int(self.rng.integers(-n, n))) for n in shape)
            return f"{self.new()} = {v}[{place}{self.pick('', '', ', ...')}]"
        taken = [f"{v}[{self.places(shape)}]", f"np.take({v}, [0, -1], axis=0)", f"{v}.take(0)"]
        return f"{self.new()} = {self.pick(*taken)}"

    def target(self) -> tuple[str, tuple[int, ...] | None]:
        v = self.variable(1) if self.rng.random() < 0.8 else self.variable()
        index = self.place if self.rng.random() < 0.8 else self.places
        target = f"{v}[{index(self.shape(v))}]"
        if not self.valid(target):
            return target, None
        return target, np.shape(eval(target, self.names))  # noqa: S307

    def assignment(self) -> str:
        if self.rng.random() < 0.08:
            v = self.variable(1)
            return f"{v}[0], {v}[-1] = {v}[-1], {v}[0]"
        target, shape = self.target()
        value = self.number() if self.rng.random() < 0.1 else self.expression(shape, 1)
        # NumPy 2.4 itself copies overlapping arrays wrongly, as y[::2] = y[:3], if strides differ.
        return f"{target} = {value}" if value[0] in "(n" else f"{target} = 1 * {value}"

    def in_place(self) -> str:
        v = self.variable()
        target, shape = (v, self.shape(v)) if self.rng.random() < 0.6 else self.target()
        if self.rng.random() < 0.3:
            return f"{target} {self.pick('+=', '-=', '*=', '/=')} {self.number()}"
        if self.rng.random() < 0.1:
            return f"{target} **= 2"
        return f"{target} {self.pick('+=', '-=', '*=')} {self.expression(shape, 1)}"

    def recurrence(self) -> str:
        v, w = self.variable(1), self.variable(1)
        right = self.pick(
            f"np.sin({v}[i - 1]) + 0.5 * {v}[i]",
            f"0.5 * {v}[i - 1] + np.tanh({v}[i])",
            f"{v}[i - 1] * 0.3",
            f"np.tanh({v}[i - 1] * {w}[i % len({w})])",
            f"{v}[i] - 0.5 * {v}[i - 1] ** 2",
        )
        line = self.pick(f"{v}[i] = {right}", f"{v}[i] += {right}", f"{v}[i, ...] = {right}")
        steps = self.pick(
            f"range(1, len({v}))", f"range(1, len({v}))", f"reversed(range(len({v})))"
        )
        return f"for i in {steps}: {line}"

    def rows(self) -> str:
        v = self.variable(2)
        line = self.pick("row *= 0.5", "row += 1", "row[0] = 0.3", "row[...] = np.sin(row)")
        return self.pick(
            f"for row in {v}: {line}",
            f"{self.new()} = sum(row * (i + 1) for i, row in enumerate({v}))",
        )

    def function(self) -> str:
        v, w = self.variable(), self.variable()
        calls = """
            np.sum({v})|np.sum({v}, axis=0)|{v}.sum(axis=-1)|np.mean({v}, axis=0)|np.mean({v})
            {v}.sum()|np.sum({v}, axis=0, keepdims=True)|np.cumsum({v})|np.cumsum({v}, axis=0)
            np.prod({v}, axis=0)|np.dot({v}, {w})|{v} @ {w}|np.outer({v}, {w})|np.inner({v}, {w})
            np.tensordot({v}, {w}, 1)|np.einsum("ij,jk->ik", {v}, {w})|np.einsum("i,i", {v}, {w})
            np.einsum("ij->i", {v})|np.einsum("i,j->ji", {v}, {w})|np.einsum("...i->...", {v})
            np.concatenate([{v}, {w}])|np.stack([{v}, {w}])|np.stack([{v}, {w}], axis=-1)
            np.concatenate([{v}], axis=0)|xp.concat([{v}, {w}])|np.hstack([{v}, {w}])
            np.vstack([{v}, {w}])|np.roll({v}, 1)|np.roll({v}, 1, axis=0)|np.repeat({v}, 2, axis=0)
            np.tile({v}, 2)|np.diff({v}, axis=0)|np.tril({v})|np.trace({v})|np.diag({v})
            np.where(np.arange(len({v})) > 1, {v}.T, 0.0)|np.where(True, {v}, {w})|np.pad({v}, 1)
            np.delete({v}, 0, axis=0)|np.append({v}, {w})|np.kron({v}, {w})
            np.trapezoid({v})|np.average({v}, axis=0)|np.polyval([1.0, 0.5], {v})
            np.convolve({v}, [0.5, 0.25])|np.multiply.outer({v}, {w})|np.add.reduce({v})
            1 / (2 + 0.01 * np.sin({v}) * {w})|np.exp(-({v} ** 2))|({v} + 40) ** 0.5
            np.gradient({v})
            stop({v} * 1)|stop(np.sin({v}))|stop({v}[...] + 0.0) * {w}
        """
        calls = [call for line in calls.strip().splitlines() for call in line.strip().split("|")]
        return f"{self.new()} = {self.pick(*calls).format(v=v, w=w)}"

    def constant(self) -> str:
        v = self.variable()
        shape = f"np.shape({v})"
        k = len(self.constants())
        choices = (
            f"{self.new()} = xp.zeros({shape})",
            f"{self.new()} = xp.ones({shape})",
            f"{self.new()} = np.zeros_like({v})",
            f"{self.new()} = np.ones_like({v}) * 0.5",
            f"{self.new()} = np.full_like({v}, 0.3)",
            "{0} = np.empty_like({1}); {0}[...] = 0.25".format(self.new(), v),
            f"c{k} = weights({shape}, {k})",
            f"n{k} = np.arange(len({v}))",
            f"n{k} = np.arange(1, 3)",
            f"{self.new()} = {v} * np.arange(len({v}))",
        )
        return self.pick(*choices)

    def buffer(self) -> str:
        """A loop that writes into a plain work buffer and computes with it."""
        v, w = self.variable(1), self.variable(1)
        write = self.pick(
            "b[...] = 0.1 * k", "b[:] = np.arange(len(b)) * 0.1 + k", "b[k] = 0.5", "b += 0.2"
        )
        use = self.pick(
            f"{w} = {w} + b * {v}", f"{w} = np.tanh({w} * b + {v})", f"{v}[k] = b @ {v}"
        )
        return f"b = np.full(len({v}), 0.1)\nfor k in range(2):\n    {write}\n    {use}"

    def output(self) -> str:
        v, w = self.variable(), self.variable()
        return self.pick(
            f"np.multiply({v}, {w}, out={v})",
            f"np.add({v}, 0.5, out={v})",
            f"np.sin({v}, out={v})",
            f"np.subtract({v}[1:], {v}[:-1], out={v}[1:])",
            f"{self.new()} = np.add({v}, {w}, out={v})",
            f"np.sum({v}, axis=0, out={v}[0])",
        )

    def binding(self) -> str:
        v, w = self.variable(), self.new()
        return self.pick(
            f"{w} = {v}",
            f"{w} = {v} = {v} * 0.5",
            f"{w} = [{v}]; {w}[0] += 1; {w} = {w}[0]",
            f"{w} = {v}; {v} = {v} + 1",
            f"{w}, {self.variable()} = {v}, {self.variable()}",
            f"{w} = {v}[...]; {w} += 0.5",
        )


def broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(shape, to) == to
    except ValueError:
        return False


def generated(seed: int, number: int) -> Program:
    """Return a random program that NumPy runs, on real and on complex arrays."""
    rng = np.random.default_rng([seed, number])
    while True:
        with warnings.catch_warnings(), np.errstate(all="raise"):
            warnings.simplefilter("error")
            generator = Generator(rng)
            try:
                program = generator.program(int(rng.integers(3, 14)))
                value = compiled(program, plain_names(float))(program.x.copy())
                same = compiled(program, plain_names(complex))(program.x + 0j)
            except Exception:  # noqa: S112 - whatever NumPy refuses is no program
                continue
        if np.isfinite(value) and abs(value - same) < 1e-9 * (1 + abs(value)):
            return program


def slopes(program: Program, x: np.ndarray) -> np.ndarray:
    """Return the gradient by the complex step."""
    f = compiled(program, plain_names(complex))
    gradient = np.empty(x.shape)
    for place in np.ndindex(x.shape):
        moved = x.astype(complex)
        moved[place] += STEP * 1j
        gradient[place] = f(moved).imag / STEP
    return gradient


def second(program: Program, direction: np.ndarray, h: float) -> np.ndarray:
    """Return the product of the Hessian with a direction: differences of complex-step gradients."""
    stencil = {-2: 1 / 12, -1: -8 / 12, 1: 8 / 12, 2: -1 / 12}
    points = {k: np.asarray(program.x + k * h * direction) for k in stencil}
    return sum(c * slopes(program, points[k]) for k, c in stencil.items()) / h


def check(program: Program, second_order: bool = False) -> Failure | None:
    """Return what is wrong with gdx's derivatives of a program; a `gdx.TracingError` passes."""
    f, x = traced(program), program.x
    direction = weights(x.shape, 99) - 0.7
    expected = compiled(program, plain_names(float))(x.copy())
    gradient = slopes(program, x)
    size = 1 + abs(expected) + np.sum(abs(gradient))

    def differs(name: str, found: Any, wanted: Any, tolerance: float = 1e-10) -> Failure | None:
        if np.shape(found) == np.shape(wanted) and np.all(abs(found - wanted) <= tolerance * size):
            return None
        return Failure(f"wrong {name}", f"gdx {found}\noracle {wanted}")

    before = x.copy()
    try:
        value, found = gdx.value_and_grad(f)(x)
        wrong = differs("value", value, expected) or differs("gradient", found, gradient)
        if wrong:
            return wrong
        value, tangent = gdx.jvp(f, (x,), (direction,))
        wrong = differs("value of jvp", value, expected)
        wrong = wrong or differs("tangent", tangent, np.sum(gradient * direction))
        _, pullback = gdx.vjp(f, x)
        wrong = wrong or differs("cotangent", pullback(1.0)[0], gradient)
        # Differences move constants, too.
        if second_order and not wrong and "stop(" not in program.source:
            product, rough = (second(program, direction, h) for h in (2.0**-10, 2.0**-8))
            size += np.sum(abs(product)) + 1e8 * np.max(abs(product - rough))
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "f does not depend")  # its gradient is constant
                _, found = gdx.jvp(gdx.grad(f), (x,), (direction,))
                wrong = differs("jvp of grad", found, product, 1e-8)
                found = gdx.grad(lambda z: np.sum(gdx.grad(f)(z) * direction))(x)
                wrong = wrong or differs("grad of grad", found, product, 1e-8)
    except gdx.TracingError:
        raise
    except Exception as error:
        return Failure(f"unclear {type(error).__name__}", str(error))
    if not np.array_equal(x, before):
        return Failure("changed x", f"before {before}\nafter {x}")
    return wrong


def shrunk(program: Program, failure: Failure, second_order: bool = False) -> Program:
    """Return a program of fewer statements that fails in the same way."""

    def still_fails(candidate: Program) -> bool:
        try:
            found = check(candidate, second_order)
        except Exception:
            return False
        return found is not None and found.kind == failure.kind

    shorter = True
    while shorter:
        shorter = False
        for place in reversed(range(len(program.statements))):
            rest = program.statements[:place] + program.statements[place + 1 :]
            if still_fails(Program(rest, program.x)):
                program, shorter = Program(rest, program.x), True
    return program


def report(seed: int, number: int) -> str | None:
    """Return the program of a seed and a number, shrunk, if it fails."""
    program, second_order = generated(seed, number), number % 4 == 0
    failure = check(program, second_order)
    if failure is None:
        return None
    program = shrunk(program, failure, second_order)
    failure = check(program, second_order) or failure
    point = f"# x = {program.x!r}"
    return "\n".join(
        [f"{failure.kind} ({seed=}, {number=})", program.source, point, failure.details]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int, nargs="?", default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--refused", action="store_true", help="print why programs are refused")
    options = parser.parse_args()
    outcomes: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    warnings.simplefilter("error")
    for number in range(options.count):
        try:
            failure = report(options.seed, number)
        except gdx.TracingError as error:
            outcomes["refused"] += 1
            reasons[str(error)[:100]] += 1
            continue
        outcomes["failed" if failure else "right"] += 1
        if failure:
            print(failure, end="\n\n", flush=True)
    if options.refused:
        print(*(f"{n} {reason}" for reason, n in reasons.most_common()), sep="\n")
    print(", ".join(f"{n} {outcome}" for outcome, n in outcomes.items()))
    return int(outcomes["failed"] > 0)


if __name__ == "__main__":
    sys.exit(main())
