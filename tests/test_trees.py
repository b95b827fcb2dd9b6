"""Containers of arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from gdx.trees import is_tree, leaves, map_leaves, with_leaf


class Layer(NamedTuple):
    W: object
    b: object


TREE = {"first": Layer(np.ones(2), np.zeros(1)), "rest": [np.ones(3), (np.ones(4),)]}


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        ({}, True),
        ([np.ones(1)], True),
        ([[np.ones(1)]], True),
        ([1.0, 2.0], False),
        ([[1, 2], [3, 4]], False),
        ((np.float64(1.0),), False),
        (np.ones(1), False),
        (3.0, False),
    ],
)
def test_a_list_of_numbers_is_one_array(x, expected):
    assert is_tree(x) is expected


def test_leaves_in_order():
    assert [leaf.size for leaf in leaves(TREE)] == [2, 1, 3, 4]


def test_structure_is_kept():
    doubled = map_leaves(lambda a, b: a + b, TREE, TREE)
    assert isinstance(doubled["first"], Layer)
    assert isinstance(doubled["rest"][1], tuple)
    assert doubled["first"].W.tolist() == [2, 2]
    assert TREE["first"].W.tolist() == [1, 1]


def test_one_leaf_is_replaced():
    other = with_leaf(TREE, 2, "new")
    assert other["rest"][0] == "new"
    assert other["first"].W is TREE["first"].W
