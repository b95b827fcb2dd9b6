"""Functions of the standard with arguments at which they are differentiated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gdx.backends import device_of


@dataclass(frozen=True)
class Rule:
    """A function of the standard, and how its real arguments are drawn."""

    name: str
    f: Callable[..., Any]
    shapes: tuple[tuple[int, ...], ...]
    low: float = -2.0
    high: float = 2.0
    complex: bool = False
    label: str = ""

    def __str__(self) -> str:
        return self.name + self.label

    def arguments(self, seed: int, dtype: str) -> list[Any]:
        rng = np.random.default_rng(seed)
        real = [rng.uniform(self.low, self.high, shape) for shape in self.shapes]
        if dtype.startswith("complex"):
            return [(x + 1j * rng.uniform(-1, 1, x.shape)).astype(dtype) for x in real]
        return [x.astype(dtype) for x in real]


def beside(xp: Any, x: Any, values: Any) -> Any:
    """Return a constant on the device of x."""
    return xp.asarray(values, device=device_of(x))


def unary(name: str, low: float = -2.0, high: float = 2.0, *, complex: bool = True) -> Rule:
    return Rule(name, lambda xp, x: getattr(xp, name)(x), ((2, 3),), low, high, complex)


def binary(name: str, low: float = -2.0, high: float = 2.0, *, complex: bool = False) -> list[Rule]:
    def f(xp, a, b):
        return getattr(xp, name)(a, b)

    shapes = {"": ((2, 3), (2, 3)), " broadcast": ((2, 1, 3), (4, 1)), " 0-d": ((), (3,))}
    return [
        Rule(name, f, shape, low, high, complex and not label, label)
        for label, shape in shapes.items()
    ]


def rule(name: str, f: Any, *shapes: tuple[int, ...], **options: Any) -> Rule:
    return Rule(name, f, shapes, **options)


M = (2, 3)
MASK = np.asarray([[True, False, True], [False, True, True]])
PICKS = np.asarray([2, 0, 2, 1])


ELEMENTWISE = [
    unary("abs"), unary("acos", -0.9, 0.9), unary("acosh", 1.1, 3), unary("asin", -0.9, 0.9),
    unary("asinh"), unary("atan"), unary("atanh", -0.9, 0.9), unary("conj"), unary("cos"),
    unary("cosh"), unary("exp"), unary("expm1"), unary("log", 0.2, 3), unary("log10", 0.2, 3),
    unary("log1p", -0.8, 2), unary("log2", 0.2, 3), unary("negative"), unary("positive"),
    unary("reciprocal", 0.3, 2), unary("sign", complex=False), unary("sin"), unary("sinh"),
    unary("sqrt", 0.2, 3), unary("square"), unary("tan", -1, 1), unary("tanh"),
    *binary("add", complex=True), *binary("atan2"), *binary("copysign"),
    *binary("divide", 0.4, 2, complex=True), *binary("hypot"), *binary("logaddexp"),
    *binary("maximum"), *binary("minimum"), *binary("multiply", complex=True),
    *binary("pow", 0.3, 2, complex=True), *binary("remainder", 0.5, 3),
    *binary("subtract", complex=True),
    rule("clip", lambda xp, x: xp.clip(x, -0.5, 0.7), M),
    rule("clip", lambda xp, x, a: xp.clip(x, a, None), M, (3,), label=" lower"),
    rule("pow", lambda xp, x: x**3 + x**2 + x**1 + x**0, M, complex=True, label=" integer"),
    rule("pow", lambda xp, x: 2.5**x, M, label=" of a number"),
    rule("real", lambda xp, x: xp.real(x * (1 + 2j)), M, complex=True),
    rule("imag", lambda xp, x: xp.imag(x * (1 + 2j)), M, complex=True),
    rule("where", lambda xp, x, y: xp.where(beside(xp, x, MASK), x, y), M, (3,), complex=True),
    rule("astype", lambda xp, x: xp.astype(x, xp.float32) * 2, M),
]  # fmt: skip

REDUCTIONS = [
    rule("sum", lambda xp, x: xp.sum(x), M, complex=True),
    rule("sum", lambda xp, x: xp.sum(x, axis=(0, -1)), (2, 3, 4), label=" axes"),
    rule("sum", lambda xp, x: xp.sum(x, axis=1, keepdims=True), M, label=" keepdims"),
    rule("mean", lambda xp, x: xp.mean(x, axis=0), M, complex=True),
    rule("mean", lambda xp, x: xp.mean(x, axis=(0, 2), keepdims=True), (2, 3, 4), label=" axes"),
    rule("prod", lambda xp, x: xp.prod(x), M, complex=True),
    rule("prod", lambda xp, x: xp.prod(x, axis=(2, 0)), (2, 3, 4), label=" axes"),
    rule("prod", lambda xp, x: xp.prod(x, axis=-2, keepdims=True), (2, 3, 4), label=" keepdims"),
    rule("max", lambda xp, x: xp.max(x), M),
    rule("max", lambda xp, x: xp.max(x, axis=-1), (2, 3, 4), label=" axis"),
    rule("min", lambda xp, x: xp.min(x, axis=(0, 1), keepdims=True), (2, 3, 4)),
    rule("var", lambda xp, x: xp.var(x, axis=1, correction=1.0), M),
    rule("std", lambda xp, x: xp.std(x, axis=0, keepdims=True), (3, 2)),
    rule("std", lambda xp, x: xp.std(x), (3, 2), label=" all"),
    rule("cumulative_sum", lambda xp, x: xp.cumulative_sum(x, axis=1), M, complex=True),
    rule("cumulative_sum", lambda xp, x: xp.cumulative_sum(x, axis=0, include_initial=True), M,
         label=" initial"),
    rule("cumulative_prod", lambda xp, x: xp.cumulative_prod(x, axis=1), (2, 5), complex=True),
    rule("cumulative_prod", lambda xp, x: xp.cumulative_prod(x, include_initial=True), (4,),
         label=" initial"),
    rule("sort", lambda xp, x: xp.sort(x, axis=0), (4, 3)),
    rule("sort", lambda xp, x: xp.sort(x, descending=True), (4, 3), label=" descending"),
    rule("diff", lambda xp, x: xp.diff(x, n=2), (2, 5)),
    rule("diff", lambda xp, x, a: xp.diff(x, axis=0, prepend=a), (3, 2), (1, 2), label=" prepend"),
]  # fmt: skip

SHAPES = [
    rule("reshape", lambda xp, x: xp.reshape(x, (3, -1)), M, complex=True),
    rule("expand_dims", lambda xp, x: xp.expand_dims(x, axis=1), M),
    rule("squeeze", lambda xp, x: xp.squeeze(x, axis=(0, 2)), (1, 3, 1)),
    rule("permute_dims", lambda xp, x: xp.permute_dims(x, (2, 0, 1)), (2, 3, 4), complex=True),
    rule("matrix_transpose", lambda xp, x: xp.matrix_transpose(x), (2, 3, 4)),
    rule("moveaxis", lambda xp, x: xp.moveaxis(x, 0, -1), (2, 3, 4)),
    rule("moveaxis", lambda xp, x: xp.moveaxis(x, (0, 1), (2, 0)), (2, 3, 4), label=" several"),
    rule("flip", lambda xp, x: xp.flip(x, axis=1), M),
    rule("roll", lambda xp, x: xp.roll(x, (1, -2), axis=(0, 1)), (3, 4)),
    rule("roll", lambda xp, x: xp.roll(x, 2), M, label=" all"),
    rule("tril", lambda xp, x: xp.tril(x, k=1), (3, 4)),
    rule("triu", lambda xp, x: xp.triu(x, k=-1), (3, 4)),
    rule("broadcast_to", lambda xp, x: xp.broadcast_to(x, (4, 2, 3)), (2, 1)),
    rule("broadcast_arrays", lambda xp, x, y: xp.broadcast_arrays(x, y)[0] * y, (2, 1), (3,)),
    rule("concat", lambda xp, x, y: xp.concat([x, y, x], axis=1), M, (2, 2), complex=True),
    rule("concat", lambda xp, x, y: xp.concat([x, y], axis=None), M, (2,), label=" flat"),
    rule("stack", lambda xp, x, y: xp.stack([x, y], axis=-1), M, M),
    rule("unstack", lambda xp, x: xp.unstack(x, axis=1)[2], M),
    rule("tile", lambda xp, x: xp.tile(x, (2, 1, 3)), M),
    rule("repeat", lambda xp, x: xp.repeat(x, 2, axis=1), M),
    rule("repeat", lambda xp, x: xp.repeat(x, beside(xp, x, [2, 0, 1]), axis=1), M, label=" each"),
    rule("meshgrid", lambda xp, x, y: xp.meshgrid(x, y)[0] * xp.meshgrid(x, y)[1], (3,), (2,)),
    rule("full", lambda xp, x: xp.full((2, 2), x[0]) * x, (2,)),
    rule("full_like", lambda xp, x: xp.full_like(x, x[0]) * x, (2,)),
    rule("linspace", lambda xp, x: xp.linspace(x[0], x[1], 5), (2,)),
    rule("linspace", lambda xp, x: xp.linspace(x[0], 1.0, 4, endpoint=False), (2,), label=" open"),
    rule("asarray", lambda xp, x: xp.asarray([x[0] * x[1], x[1]]), (2,)),
]  # fmt: skip

INDEXING = [
    rule("getitem", lambda xp, x: x[1], M),
    rule("getitem", lambda xp, x: x[..., None, ::2], M, complex=True, label=" slices"),
    rule("getitem", lambda xp, x: x[1, 2] * x[0, 0], M, label=" elements"),
    rule("getitem", lambda xp, x: x[beside(xp, x, MASK)], M, label=" mask"),
    rule("getitem", lambda xp, x: x[beside(xp, x, PICKS)], (3,), label=" integers"),
    rule("getitem", lambda xp, x: x[beside(xp, x, PICKS), beside(xp, x, PICKS)], (3, 3),
         label=" several"),
    rule("take", lambda xp, x: xp.take(x, beside(xp, x, PICKS), axis=1), M, complex=True),
    rule("take", lambda xp, x: xp.take(x, beside(xp, x, PICKS)), (3,), label=" vector"),
    rule("take_along_axis",
         lambda xp, x: xp.take_along_axis(x, beside(xp, x, [[2, 2, 0], [0, 1, 1]]), axis=1), M),
]  # fmt: skip


def _symmetric(xp, x):
    return x + xp.conj(xp.matrix_transpose(x))


def _positive(xp, x):
    one = xp.eye(x.shape[-1], dtype=x.dtype, device=device_of(x))
    return x @ xp.conj(xp.matrix_transpose(x)) + one


S = (3, 3)
STACK = (2, 3, 3)

LINEAR_ALGEBRA = [
    rule("matmul", lambda xp, x, y: x @ y, (2, 3), (3, 4), complex=True),
    rule("matmul", lambda xp, x, y: xp.matmul(x, y), (5, 1, 2, 3), (4, 3, 2), label=" stacks"),
    rule("matmul", lambda xp, x, y: x @ y, (3,), (2, 3, 4), label=" vector"),
    rule("matmul", lambda xp, x, y: x @ y, (3,), (3,), label=" vectors", complex=True),
    rule("tensordot", lambda xp, x, y: xp.tensordot(x, y, axes=((0, 2), (1, 0))),
         (2, 3, 4), (4, 2, 3)),
    rule("vecdot", lambda xp, x, y: xp.vecdot(x, y), (2, 3), (3,), complex=True),
    rule("trace", lambda xp, x: xp.linalg.trace(x, offset=1), (2, 3, 4)),
    rule("diagonal", lambda xp, x: xp.linalg.diagonal(x, offset=-1), (2, 3, 4)),
    rule("outer", lambda xp, x, y: xp.linalg.outer(x, y), (2,), (3,), complex=True),
    rule("cross", lambda xp, x, y: xp.linalg.cross(x, y), (2, 3), (2, 3)),
    rule("inv", lambda xp, x: xp.linalg.inv(_positive(xp, x)), STACK, complex=True),
    rule("solve", lambda xp, x, y: xp.linalg.solve(_positive(xp, x), y), S, (3, 2), complex=True),
    rule("det", lambda xp, x: xp.linalg.det(x), STACK, complex=True),
    rule("slogdet", lambda xp, x: xp.linalg.slogdet(_positive(xp, x))[1], STACK, complex=True),
    rule("cholesky", lambda xp, x: xp.linalg.cholesky(_positive(xp, x)), STACK, complex=True),
    rule("eigh", lambda xp, x: xp.linalg.eigh(_symmetric(xp, x)).eigenvalues, STACK),
    rule("eigh", lambda xp, x: xp.abs(xp.linalg.eigh(_symmetric(xp, x)).eigenvectors), S,
         label=" vectors"),
    rule("eigvalsh", lambda xp, x: xp.linalg.eigvalsh(_symmetric(xp, x)), STACK),
    rule("svdvals", lambda xp, x: xp.linalg.svdvals(x), (3, 2)),
    rule("svd", lambda xp, x: xp.abs(xp.linalg.svd(x, full_matrices=False)[0]), (3, 2)),
    rule("qr", lambda xp, x: xp.abs(xp.linalg.qr(x)[1]), (3, 2)),
    rule("pinv", lambda xp, x: xp.linalg.pinv(x), (3, 2)),
    rule("matrix_power", lambda xp, x: xp.linalg.matrix_power(x, 3), S, complex=True),
    rule("matrix_norm", lambda xp, x: xp.linalg.matrix_norm(x, ord="nuc"), (2, 3)),
    rule("vector_norm", lambda xp, x: xp.linalg.vector_norm(x, axis=1), M),
    rule("vector_norm", lambda xp, x: xp.linalg.vector_norm(x, ord=3, keepdims=True), M,
         label=" p"),
]  # fmt: skip

FOURIER = [
    rule("fft", lambda xp, x: xp.fft.fft(x, n=5), M, complex=True),
    rule("ifft", lambda xp, x: xp.fft.ifft(x, axis=0), M, complex=True),
    rule("fftn", lambda xp, x: xp.fft.fftn(x), M, complex=True),
    rule("rfft", lambda xp, x: xp.fft.rfft(x), M),
    rule("irfft", lambda xp, x: xp.fft.irfft(xp.fft.rfft(x)), (2, 4)),
    rule("hfft", lambda xp, x: xp.fft.hfft(xp.fft.rfft(x)), (2, 4)),
    rule("ifftn", lambda xp, x: xp.fft.ifftn(x, axes=(0,)), M, complex=True),
    rule("rfftn", lambda xp, x: xp.fft.rfftn(x), M),
    rule("irfftn", lambda xp, x: xp.fft.irfftn(xp.fft.rfftn(x)), (2, 4)),
    rule("ihfft", lambda xp, x: xp.fft.ihfft(x), (2, 4)),
    rule("fftshift", lambda xp, x: xp.fft.fftshift(x), M),
    rule("ifftshift", lambda xp, x: xp.fft.ifftshift(x), M),
]

RULES = [*ELEMENTWISE, *REDUCTIONS, *SHAPES, *INDEXING, *LINEAR_ALGEBRA, *FOURIER]
