"""The first part of docs/user_guide/change_encoder.rst can be followed, with smaller data."""

import re
import shlex

import numpy as np
import pytest
from sklearn.preprocessing import normalize

pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

from sklearn_align import datasets, load_map  # noqa: E402
from sklearn_align.__main__ import main  # noqa: E402
from sklearn_align.io import vectors_to_numpy  # noqa: E402
from tests.use_cases.pages import FOLDER, code_and_output  # noqa: E402

PAGE = (FOLDER / "change_encoder.rst").read_text(encoding="utf-8")


def small_spaces(pair):
    data = datasets.make_rotated_embeddings(900, 12, n_features_target=16, random_state=0)
    for name in ("XA", "XB", "XA_test", "XB_test"):
        data[name] = normalize(data[name]).astype(np.float32)
    return data


def test_from_files_to_a_mapped_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets, "load_sentence_embeddings", small_spaces)
    code, output = next(code_and_output("change_encoder"))
    exec(code, {})
    assert capsys.readouterr().out.splitlines() == [
        re.sub(r"\d+ vectors of \d+", f"1400 vectors of {width}", line)
        for line, width in zip(output.splitlines(), (12, 16), strict=True)
    ]
    command = re.search(r"python -m sklearn_align (migrate (?:.*\\\n)*.*)", PAGE)[1]
    assert main(shlex.split(command.replace("\\\n", " "))) == 0
    printed = capsys.readouterr().out
    shown = PAGE[PAGE.index("    Verdict: PASS") : PAGE.index("With files of your own")]
    for line in shown.strip().splitlines():
        assert re.split(r"  +|\d", line.strip())[0] in printed
    old, mapped = (parquet.read_table(f"{name}.parquet") for name in ("old", "mapped"))
    assert mapped["id"].equals(old["id"])
    np.testing.assert_allclose(
        vectors_to_numpy(mapped["vector"]),
        load_map("map.npz").to_target(vectors_to_numpy(old["vector"])),
        rtol=1e-4,
        atol=1e-5,
    )
