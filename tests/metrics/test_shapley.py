"""Shapley values against their definition as a mean over all orders of the players."""

from itertools import permutations

import numpy as np
import pytest

from sklearn_align.metrics._shapley import (
    all_coalitions,
    coalitions_of_order,
    exact_values,
    values_by_order,
)


def random_game(n_players, seed=0, shape=()):
    rng = np.random.default_rng(seed)
    return {one: rng.normal(size=shape) for one in all_coalitions(n_players)}


def over_all_orders(values, n_players):
    total = np.zeros((n_players, *np.shape(values[0])))
    orders = list(permutations(range(n_players)))
    for order in orders:
        coalition = 0
        for player in order:
            total[player] += values[coalition | (1 << player)] - values[coalition]
            coalition |= 1 << player
    return total / len(orders)


@pytest.mark.parametrize("n_players", [1, 2, 5])
@pytest.mark.parametrize("shape", [(), (3,)])
def test_exact_values_are_means_over_all_orders(n_players, shape):
    values = random_game(n_players, shape=shape)
    exact = exact_values(values, n_players)
    np.testing.assert_allclose(exact, over_all_orders(values, n_players))
    np.testing.assert_allclose(exact.sum(axis=0), values[2**n_players - 1] - values[0])


def test_values_of_orders_average_to_the_exact_ones():
    values = random_game(4, shape=(2,))
    drawn = [values_by_order(values, np.array(order)) for order in permutations(range(4))]
    np.testing.assert_allclose(np.mean(drawn, axis=0), exact_values(values, 4))
    for one in drawn:
        np.testing.assert_allclose(one.sum(axis=0), values[15] - values[0])


def test_one_order_and_its_reverse_suffice_for_interactions_of_pairs():
    rng = np.random.default_rng(0)
    pairs = rng.normal(size=(6, 6))
    values = {}
    for coalition in all_coalitions(6):
        members = [m for m in range(6) if coalition >> m & 1]
        values[coalition] = np.array(pairs[np.ix_(members, members)].sum())
    np.testing.assert_allclose(
        values_by_order(values, rng.permutation(6)), (pairs.sum(axis=0) + pairs.sum(axis=1)) / 2
    )


def test_coalitions_of_an_order():
    assert coalitions_of_order(np.array([2, 0, 1])) == [0, 4, 5, 7, 0, 2, 3, 7]


def test_a_player_without_gain_has_the_value_0_and_equal_players_equal_values():
    # The third player adds nothing; the first and the second are exchangeable.
    worth = {frozenset(): 0.0, frozenset([0]): 0.3, frozenset([1]): 0.3, frozenset([0, 1]): 0.4}
    values = {
        one: np.array(worth[frozenset(m for m in (0, 1) if one >> m & 1)])
        for one in all_coalitions(3)
    }
    np.testing.assert_allclose(exact_values(values, 3), [0.2, 0.2, 0.0], atol=1e-16)
