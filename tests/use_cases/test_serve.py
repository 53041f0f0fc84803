"""docs/user_guide/use_case_serve.rst runs and prints what it shows."""

import numpy as np
import pytest

from tests.use_cases.pages import run_page

pytest.importorskip("skops.io")


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("serve"))
        return run_page("use_case_serve")


def test_wrong_requests_are_errors_of_the_caller(names):
    classify, image = names["classify"], names["image"]
    for request in ({}, {"picture": image}, {"image": image[:-1]}, {"image": [None, *image[1:]]}):
        with pytest.raises(ValueError, match="image"):
            classify(request)


def test_a_single_vector_is_mapped_as_in_a_batch(names):
    batch = names["served_map"].to_target(names["spaces"].XA_test[:5].astype(np.float32))
    np.testing.assert_allclose(names["map_vector"](names["spaces"].XA_test[4]), batch[4], rtol=1e-5)
