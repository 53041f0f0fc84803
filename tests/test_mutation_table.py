"""The sample of changes that are tried, and their counts."""

import json

from tests.benchmarks.mutation_table import count, draw, read_results

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
    assert count(codes) == [6, 5, 3, 1, 1, 0.6]
