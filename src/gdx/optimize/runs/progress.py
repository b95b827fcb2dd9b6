"""A progress bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gdx.optimize.runs.loop import Trail


@contextmanager
def progress_bar(steps: range, trail: Trail) -> Iterator[Callable[[int], None]]:
    """Yield what shows the steps taken, and f and its gradient where they are known anyway."""
    try:
        from tqdm import tqdm
    except ImportError as error:
        raise ImportError("progress=True needs tqdm: pip install tqdm.") from error

    def show(step: int) -> None:
        if trail.best is not None:
            described()
        bar.update(step - bar.n)

    def described() -> None:
        fun, norm = trail.end.fun, trail.end.grad_norm
        bar.set_postfix_str(f"f={fun:.6g}, |grad|={norm:.2g}", refresh=False)

    bar: Any
    with tqdm(total=steps.stop, initial=steps.start, unit="step") as bar:
        yield show
        if trail.best is not None:
            described()
