"""A run that is kept in a file, from which it goes on."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

from gdx.caller import warn
from gdx.optimize.files.checkpoint import Path, check_writable, expect, load, save
from gdx.optimize.files.error import CheckpointError
from gdx.optimize.files.snapshot import packed, unpacked
from gdx.optimize.runs.limits import Limits
from gdx.optimize.runs.loop import Seen, Stepper, Trail
from gdx.optimize.runs.reading import Reads
from gdx.optimize.runs.slopes import ExactWhereTraced
from gdx.trees import flattened, leaves

_COUNTED = ("nfev", "njev", "nhev")


class Kept:
    """A run and its file.

    Parameters
    ----------
    path : str or path
    every : int
        After so many steps it is written anew.
    identity : mapping
        What tells this run from others; a file of another run is refused.
    """

    stepper: Stepper
    trail: Trail
    limits: Limits

    def __init__(self, path: Path, every: int, identity: Mapping[str, Any]) -> None:
        self.path, self.every, self.identity = path, every, identity
        check_writable(path)
        self.found = load(path)
        if self.found is not None:
            expect(path, self.found[0], identity)
        self.saved = 0

    def attached(self, stepper: Stepper, trail: Trail, limits: Limits) -> int:
        """Bring the parts of a run to where the file was written; return the steps taken before."""
        self.stepper, self.trail, self.limits = stepper, trail, limits
        if self.found is not None:
            try:
                self._restore(*self.found)
            except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
                raise CheckpointError(
                    f"the file {os.fspath(self.path)!r} lacks a part of the run ({error!r}); "
                    "delete it to begin anew, or give another name."
                ) from error
            self._compare_f()
        return self.saved

    def _restore(self, header: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
        form = self.stepper.form
        state = unpacked(header["state"], arrays, leaves(form)[0])
        slope = self.stepper.slope
        for name, count in zip(_COUNTED, state["counts"], strict=True):
            setattr(slope.counts, name, count)
        if slope.name != state["slope"] and isinstance(slope, ExactWhereTraced):
            slope.give_up(self.stepper.shown(form))
        self.stepper.restore(state["stepper"])
        self.limits.restore(state["limits"])
        self.trail.best, *self.trail.points = map(self._seen, state["points"])
        self.saved = int(header["step"])

    def _compare_f(self) -> None:
        """Warn if f has another value at the best point than it had."""
        seen, slope, form = self.trail.best, self.stepper.slope, self.stepper.form
        if seen is None:
            return
        counts = dict(vars(slope.counts))
        value = slope.value(self.stepper.shown(seen.x))
        vars(slope.counts).update(counts)
        fun, rounding = Reads(leaves(form)[0])(value, [])[0], math.sqrt(self.limits.rounding)
        if not math.isclose(fun, seen.fun, rel_tol=rounding, abs_tol=rounding):
            warn(
                f"f is {fun:.6g} at the best point in the file {os.fspath(self.path)!r}, and was "
                f"{seen.fun:.6g}. If f is another one now, delete the file to begin anew.",
                RuntimeWarning,
            )

    def __call__(self, step: int) -> None:
        """Write the file after so many steps."""
        if step % self.every == 0 and step != self.saved:
            self.save(step)

    def save(self, step: int) -> None:
        """Write the file, once a point has been seen that is worth it."""
        if self.trail.best is None:
            return
        arrays: dict[str, Any] = {}
        points = [self.trail.best, *self.trail.points]
        state = {
            "counts": [getattr(self.stepper.slope.counts, name) for name in _COUNTED],
            "slope": self.stepper.slope.name,
            "stepper": self.stepper.state(),
            "limits": self.limits.state(),
            "points": [seen._replace(x=leaves(seen.x), grad=leaves(seen.grad)) for seen in points],
        }
        header = {**self.identity, "step": step, "state": packed(state, arrays)}
        save(self.path, header, arrays)
        self.saved = step

    def _seen(self, point: list[Any]) -> Seen:
        seen = Seen(*point)
        _, refill = flattened(self.stepper.form)
        return seen._replace(x=refill(iter(seen.x)), grad=refill(iter(seen.grad)))
