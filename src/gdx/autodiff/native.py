"""The rule of a custom function, as the engines of PyTorch and JAX take it: of flat lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gdx.autodiff.answers import Asked
from gdx.backends import Array, is_array, library, namespace_of
from gdx.trees import Tree, flattened, leaves, paths

_ARRAY = object()


class Apart:
    """The arrays of a tree, and what makes the tree of others in their place."""

    def __init__(self, tree: Tree) -> None:
        items, self.build = flattened(tree)
        self.arrays: list[Array] = [item for item in items if is_array(item)]
        self.items = [_ARRAY if is_array(item) else item for item in items]

    def taken(self) -> list[Array]:
        """Return the arrays, and let go of them."""
        taken, self.arrays = self.arrays, []
        return taken

    def __call__(self, arrays: Sequence[Array]) -> Tree:
        """Return the tree with these arrays."""
        new = iter(arrays)
        return self.build(iter([next(new) if item is _ARRAY else item for item in self.items]))


def engine_that_follows(args: Sequence[Tree]) -> Any:
    """Return the engine that may ask for a derivative with respect to one of the arguments."""
    for argument in args:
        for leaf in leaves(argument):
            if is_array(leaf):
                native = library(namespace_of(leaf)).engine
                if native is None:
                    return None
                if native().follows(leaf):
                    return native()
    return None


def call_by(
    engine: Any,
    name: str,
    f: Callable[..., Tree],
    fwd: Callable[..., tuple[Tree, Any]],
    bwd: Callable[[Any, Tree], Sequence[Tree]],
    args: Sequence[Tree],
    *,
    linear: bool,
) -> Tree:
    """Return f(*args), of which `engine` takes the derivative from the rule."""
    from gdx.backends.engines import Rule

    given = Apart(tuple(args))
    asked = Asked(
        name,
        bwd,
        len(args),
        [
            (place, path, leaf.shape)
            for place, argument in enumerate(args)
            for path, leaf in zip(paths(argument), leaves(argument), strict=True)
            if is_array(leaf)
        ],
    )
    dtypes = [array.dtype for array in given.arrays]
    result: list[Apart] = []

    def plain(*arrays: Array) -> list[Array]:
        result[:] = [Apart(f(*given(arrays)))]
        return result[0].taken()

    def forward(*arrays: Array) -> tuple[list[Array], list[Array], Any]:
        y, kept = map(Apart, fwd(*given(arrays)))
        result[:] = [y]
        return y.taken(), kept.taken(), (kept, y)

    def backward(
        arrays: Sequence[Array], static: tuple[Apart, Apart], gs: Sequence[Array | None]
    ) -> list[Array | None]:
        kept, y = static
        cotangents = asked.of(kept(arrays), y(gs))
        return [
            c if c is None or c.dtype == dtype else namespace_of(c).astype(c, dtype)
            for c, dtype in zip(cotangents, dtypes, strict=True)
        ]

    ys = engine.custom(Rule(plain, forward, backward, linear))(*given.taken())
    return result[0](ys)
