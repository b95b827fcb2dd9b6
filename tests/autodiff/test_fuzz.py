"""Random programs of views and assignments; `nox -s fuzz` runs many more of them."""

from __future__ import annotations

from contextlib import suppress

import fuzz
import pytest

import gdx

COUNT, CHUNK = 300, 15


@pytest.mark.parametrize("start", range(0, COUNT, CHUNK))
def test_random_programs(start):
    failures = []
    for number in range(start, start + CHUNK):
        with suppress(gdx.TracingError):
            failures.append(fuzz.report(0, number))
    failures = [failure for failure in failures if failure]
    assert not failures, "\n\n".join(failures)


def test_most_programs_are_not_refused():
    refused = 0
    for number in range(100):
        try:
            fuzz.check(fuzz.generated(1, number))
        except gdx.TracingError:
            refused += 1
    assert refused < 25
