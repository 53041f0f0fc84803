import numpy as np
import pytest

import sklearn_align.alignment._frame as module
from sklearn_align.alignment._frame import Frame


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    return rng.standard_normal((200, 6)) * [3, 2, 1, 1, 0.5, 0.1] + 2


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_enter_centres_and_scales(rows):
    frame = Frame.of(rows)
    np.testing.assert_allclose(frame.enter(rows), unit(rows - rows.mean(axis=0)))


@pytest.mark.parametrize("block_bytes", [1, 300, 2**22])
@pytest.mark.parametrize("width_out", [3, 6, 9])
def test_enter_with_a_map_for_any_block_size(rows, block_bytes, width_out, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK_BYTES", block_bytes)
    W = np.random.default_rng(1).standard_normal((6, width_out))
    np.testing.assert_allclose(Frame.of(rows).enter(rows, W), unit((rows - rows.mean(axis=0)) @ W))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("length", [1.0, 7.5])
def test_rows_of_equal_length_come_back_exactly(rows, dtype, length):
    X = (length * unit(rows)).astype(dtype)
    frame = Frame.of(X)
    back = frame.leave(frame.enter(X))
    assert back.dtype == dtype
    # The point of that length on a ray from the mean is unique, because the mean lies inside.
    np.testing.assert_allclose(back, X, atol=length * (1e-5 if dtype == np.float32 else 1e-12))


def test_rows_of_unequal_length_come_back_with_their_direction(rows):
    frame = Frame.of(rows)
    assert frame.length is None
    back = frame.leave(frame.enter(rows))
    np.testing.assert_allclose(frame.enter(back), frame.enter(rows), atol=1e-12)
    distance = np.linalg.norm(rows - rows.mean(axis=0), axis=1)
    np.testing.assert_allclose(
        np.linalg.norm(back - rows.mean(axis=0), axis=1), np.median(distance)
    )


def test_half_precision_unit_rows_count_as_equally_long(rows):
    frame = Frame.of(unit(rows).astype(np.float16).astype(np.float32))
    assert frame.length == pytest.approx(1, abs=1e-3)


def test_a_row_at_the_mean_becomes_zero(rows):
    frame = Frame.of(rows)
    assert not frame.enter(frame.mean[None]).any()


@pytest.mark.parametrize("scale", [1e-30, 1e-8, 1e8, 1e30])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scale_does_not_matter(rows, scale, dtype):
    expected = Frame.of(rows).enter(rows)
    X = (rows * scale).astype(dtype)
    np.testing.assert_allclose(Frame.of(X).enter(X), expected, atol=1e-5)


def test_arguments_are_left_alone(rows):
    before = rows.copy()
    rows.setflags(write=False)
    frame = Frame.of(rows)
    Z = frame.enter(rows)
    Z.setflags(write=False)
    frame.leave(Z)
    np.testing.assert_array_equal(rows, before)
