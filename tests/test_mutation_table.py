"""The sample of changes that are tried, and their counts."""

import json
from argparse import Namespace

from tests.benchmarks.mutation_table import HEADER, count, draw, main, read_results
from tests.benchmarks.tables import read_table, write_table

RESULTS = {
    "sklearn_align/_linalg.py": {f"l{i}": None for i in range(9)},
    "sklearn_align/alignment/_problem.py": {f"p{i}": None for i in range(9)},
    "sklearn_align/alignment/starts/_pairs.py": {f"q{i}": None for i in range(3)},
}


def test_a_sample_holds_so_many_changes_of_each_module():
    names = draw(RESULTS, 4, 0)
    assert len(set(names)) == len(names)
    counts = [sum(name in names for name in results) for results in RESULTS.values()]
    # Small modules and those that are tried as a whole are complete.
    assert counts == [9, 4, 3]
    assert draw(RESULTS, 4, 0) == names
    assert len({tuple(draw(RESULTS, 4, seed)) for seed in range(5)}) > 1
    # The sample of one module does not depend on the others.
    one = {name: RESULTS[name] for name in ["sklearn_align/alignment/_problem.py"]}
    assert set(draw(one, 4, 0)) <= set(names)


def test_changes_are_counted_by_outcome(tmp_path):
    path = tmp_path / "sklearn_align" / "_linalg.py.meta"
    path.parent.mkdir()
    codes = {"a": 1, "b": 0, "c": 33, "d": None, "e": -24, "f": 1}
    path.write_text(json.dumps({"exit_code_by_key": codes}), encoding="utf-8")
    (tmp_path / "_empty.py.meta").write_text('{"exit_code_by_key": {}}', encoding="utf-8")
    results = read_results(tmp_path)
    assert results == {"sklearn_align/_linalg.py": codes}
    assert count(codes) == [6, 5, 3, 1, 1]


def test_modules_that_were_not_tried_keep_their_lines(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.py").touch()
    old = [[f"{name}.py", 10, 8, 6, 1, 1, 0.75] for name in ("c", "b", "gone")]
    write_table(tmp_path / "mutation.csv", HEADER, [*old, ["all", 30, 24, 18, 3, 3, 0.75]])
    (tmp_path / "mutants").mkdir()
    results = {"a": [1, 1, 0, None], "b": [1, None], "c": [None, None]}
    for name, codes in results.items():
        by_key = {f"{name}{i}": code for i, code in enumerate(codes)}
        path = tmp_path / "mutants" / f"{name}.py.meta"
        path.write_text(json.dumps({"exit_code_by_key": by_key}), encoding="utf-8")
    main(Namespace(mutants=tmp_path / "mutants", out=tmp_path, sample=None, seed=0))
    header, *lines = read_table(tmp_path / "mutation.csv")
    assert header == list(HEADER)
    assert lines == [
        ["a.py", "4", "3", "2", "1", "0", "0.667"],
        ["b.py", "2", "1", "1", "0", "0", "1.000"],
        ["c.py", "10", "8", "6", "1", "1", "0.750"],
        ["all", "16", "12", "9", "2", "1", "0.750"],
    ]
