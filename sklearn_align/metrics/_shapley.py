"""Shapley values of a game given by the values of its coalitions.

A coalition of `n_players` players is an int whose bit ``m`` says whether player ``m`` belongs to
it. Values may be vectors; they are combined one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import comb

import numpy as np

from sklearn_align._typing import Float64Array, IntArray

# With more players, orders are drawn: the number of coalitions doubles with each player.
MAX_EXACT_PLAYERS = 10


def all_coalitions(n_players: int) -> list[int]:
    """Return every coalition, 2 ** n_players of them."""
    return list(range(2**n_players))


def exact_values(values: Mapping[int, Float64Array], n_players: int) -> Float64Array:
    """Shapley values (n_players, ...) from the values (...) of all coalitions."""
    stacked = np.array([values[coalition] for coalition in all_coalitions(n_players)])
    coalitions = np.arange(len(stacked))
    sizes = np.array([coalition.bit_count() for coalition in all_coalitions(n_players)])
    shapley: Float64Array = np.empty((n_players, *stacked.shape[1:]))
    for player in range(n_players):
        without = coalitions[coalitions & (1 << player) == 0]
        # Share of the orders in which exactly these players come before `player`.
        weights = np.array([1 / (n_players * comb(n_players - 1, size)) for size in sizes[without]])
        gains = stacked[without | (1 << player)] - stacked[without]
        shapley[player] = np.tensordot(weights, gains, axes=1)
    return shapley


def coalitions_of_order(order: IntArray) -> list[int]:
    """Return the coalitions that grow by the players of `order` (n_players,), from none to all.

    Those of the reversed order follow: the mean of both has a lower variance than that of two
    independent orders, and none at all where players interact in pairs only.
    """
    coalitions = []
    for one in (order, order[::-1]):
        coalitions.append(0)
        for player in one:
            coalitions.append(coalitions[-1] | (1 << int(player)))
    return coalitions


def values_by_order(values: Mapping[int, Float64Array], order: IntArray) -> Float64Array:
    """Mean gains (n_players, ...) by each player in `order` and in the reversed order."""
    n_players = len(order)
    path = coalitions_of_order(order)
    steps = np.array([values[coalition] for coalition in path])
    gains: Float64Array = np.zeros((n_players, *steps.shape[1:]))
    for start, one in ((0, order), (n_players + 1, order[::-1])):
        gains[one] += np.diff(steps[start : start + n_players + 1], axis=0) / 2
    return gains
