import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from sklearn_align.alignment._recipes import GraphMatchingSettings
from sklearn_align.alignment.solvers._graph_matching import match_graphs


def graph(rng, n, n_relations=3):
    relations = rng.standard_normal((n_relations, n, n))
    relations[:, np.arange(n), np.arange(n)] = 0
    return relations


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(3))
def test_a_known_permutation_is_recovered_from_noisy_relations(dtype, seed):
    rng = np.random.default_rng(seed)
    relations = graph(rng, 25).astype(dtype)
    p = rng.permutation(25)
    permuted = relations[:, p][:, :, p]
    noisy = (permuted + 0.3 * graph(rng, 25)).astype(dtype)
    nodes = rng.standard_normal(25)
    similarity = -((nodes[:, None] - nodes[p]) ** 2)
    similarity = ((similarity - similarity.mean()) / similarity.std()).astype(dtype)
    rows, columns = match_graphs(
        relations, noisy, similarity, random_state=np.random.RandomState(0)
    )
    np.testing.assert_array_equal(p[columns], rows)


def test_similarity_alone_decides_without_relations():
    rng = np.random.default_rng(0)
    p = rng.permutation(10)
    rows, columns = match_graphs(
        np.zeros((1, 10, 10)),
        np.zeros((1, 10, 10)),
        3 * np.eye(10)[:, p],
        random_state=np.random.RandomState(0),
    )
    np.testing.assert_array_equal(p[columns], rows)


@pytest.mark.parametrize("swap", [False, True])
def test_a_subgraph_is_found_in_a_larger_graph(swap):
    rng = np.random.default_rng(1)
    large = graph(rng, 16)
    chosen = rng.permutation(16)[:12]
    small = large[:, chosen][:, :, chosen]
    similarity = np.zeros((12, 16))
    similarity[np.arange(12), chosen] = 3
    if swap:
        columns, rows = match_graphs(
            large, small, similarity.T, random_state=np.random.RandomState(0)
        )
    else:
        rows, columns = match_graphs(
            small, large, similarity, random_state=np.random.RandomState(0)
        )
    assert len(rows) == 12
    np.testing.assert_array_equal(chosen[rows], columns)


@given(n=st.integers(1, 8), m=st.integers(1, 8), seed=st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=25)
def test_every_result_is_one_to_one(n, m, seed):
    rng = np.random.default_rng(seed)
    rows, columns = match_graphs(
        graph(rng, n), graph(rng, m), np.zeros((n, m)), random_state=np.random.RandomState(0)
    )
    assert len(set(rows)) == len(set(columns)) == len(rows) == min(n, m)


@pytest.mark.parametrize("n", [4, 9])
def test_one_step_at_a_high_temperature_assigns_by_the_gradient(n):
    rng = np.random.default_rng(5)
    relations_A, relations_B = graph(rng, n), graph(rng, n)
    similarity = 0.1 * rng.standard_normal((n, n))
    # Derivative of the sum over relations of P_ik R_A[i, j] R_B[k, l] P_jl at an even assignment:
    # relations that leave a node and those that arrive at it count alike.
    P = np.full((n, n), 1 / n)
    gradient = similarity.copy()
    for R_A, R_B in zip(relations_A, relations_B, strict=True):
        gradient += np.einsum("ij,kl,jl->ik", R_A, R_B, P) / 6
        gradient += np.einsum("ji,lk,jl->ik", R_A, R_B, P) / 6
    one_step = GraphMatchingSettings(n_steps=1, temperature=(1e4, 1e4), noise=0.0)
    rows, columns = match_graphs(
        relations_A,
        relations_B,
        similarity,
        random_state=np.random.RandomState(0),
        settings=one_step,
    )
    expected_rows, expected_columns = linear_sum_assignment(-gradient)
    np.testing.assert_array_equal(rows, expected_rows)
    np.testing.assert_array_equal(columns, expected_columns)


def test_graphs_have_as_many_relations_as_one_another():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="zip"):
        match_graphs(
            graph(rng, 4, 2),
            graph(rng, 4, 3),
            np.zeros((4, 4)),
            random_state=np.random.RandomState(0),
        )


def graduated_assignment(relations_A, relations_B, similarity, draws, settings):
    """The algorithm with every sum written out."""
    n_A, n_B = similarity.shape
    P = np.exp(settings.noise * (draws + similarity))
    P /= P.sum(axis=1)[:, None]
    ratio = settings.temperature[1] / settings.temperature[0]
    for step in range(settings.n_steps):
        T = settings.temperature[0] * ratio ** (step / max(settings.n_steps - 1, 1))
        gradient = similarity.copy()
        for R_A, R_B in zip(relations_A, relations_B, strict=True):
            both = np.einsum("ij,kl,jl->ik", R_A, R_B, P) + np.einsum("ji,lk,jl->ik", R_A, R_B, P)
            gradient += both / (2 * len(relations_A))
        K = np.exp(gradient / np.abs(gradient).max() / T)
        for _ in range(settings.n_sinkhorn_rounds):
            K /= K.sum(axis=1)[:, None]
            K *= n_A / n_B / K.sum(axis=0)
        P = (P + K) / 2
    return linear_sum_assignment(-P)


@pytest.mark.parametrize(("n_A", "n_B"), [(20, 20), (12, 17), (17, 12)])
@pytest.mark.parametrize("n_steps", [0, 1, 2, 3, 12])
@pytest.mark.parametrize("scale", [0.01, 1.0])
def test_assignments_against_the_algorithm_written_out(n_A, n_B, n_steps, scale):
    """On unrelated graphs, where every change of a weight changes the assignment."""
    few_steps = GraphMatchingSettings(
        n_steps=n_steps, temperature=(0.3, 0.1), noise=1.0, n_sinkhorn_rounds=2
    )
    for seed in range(3):
        rng = np.random.default_rng(seed)
        relations_A, relations_B = graph(rng, n_A), graph(rng, n_B)
        similarity = scale * rng.standard_normal((n_A, n_B))
        found = match_graphs(
            scale * relations_A,
            relations_B,
            similarity,
            random_state=np.random.RandomState(seed),
            settings=few_steps,
        )
        draws = np.random.RandomState(seed).standard_normal((n_A, n_B))
        expected = graduated_assignment(
            scale * relations_A, relations_B, similarity, draws, few_steps
        )
        np.testing.assert_array_equal(found, expected)
