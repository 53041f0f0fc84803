"""An exported map as an ONNX graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sklearn_align.alignment._map_state import SIDES, MapState, fitted_attributes
from sklearn_align.alignment._normalizer import CentredNormalizer

# Old enough for any runtime in use: the operators of the graph are the same since then.
_OPSET = 13
_IR_VERSION = 8
# Squares of lengths between them are in the range of float32.
_LENGTHS = (1e-15, 1e15)


def encode_onnx(state: MapState) -> bytes:
    """Return the bytes of a graph with the formulas of ``transform`` and ``to_target``.

    Its input "source" (batch, n_features) and its outputs "target", as of ``to_target``, and
    "unit", as of ``transform``, are float32.
    """
    try:
        from onnx import TensorProto, helper
    except ImportError as error:
        raise ImportError(
            "Writing ONNX files needs onnx: pip install 'sklearn-align[export]'."
        ) from error
    fitted = fitted_attributes(state)
    source, target = (fitted[f"_{side}_normalizer"] for side in SIDES)
    _check_range(source, target)
    graph = _Graph()
    lengths = _unit_samples(graph, source, state.arrays["linear_map"])
    _raw_samples(graph, source, target, lengths)
    widths = {
        "source": fitted["n_features_in_"],
        "target": fitted["n_features_target_"],
        "unit": fitted["n_features_target_"],
    }
    values = {
        name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", width])
        for name, width in widths.items()
    }
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "map",
            [values["source"]],
            [values["target"], values["unit"]],
            initializer=graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="sklearn_align",
    )
    helper.set_model_props(model, state.metadata)
    return bytes(model.SerializeToString())


class _Graph:
    """Nodes and constants of a graph, in the order in which they are added."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: ArrayLike) -> str:
        """Add a constant in float32 and return its name."""
        from onnx import numpy_helper

        name = f"constant_{len(self.constants)}"
        array = np.asarray(value, dtype=np.float32)
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def add(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        from onnx import helper

        name = output or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def lengths(self, samples: str) -> str:
        """Add the lengths of samples: (batch, 1)."""
        return self.add("ReduceL2", samples, axes=[1], keepdims=1)

    def scaled(self, samples: str, lengths: str, output: str | None = None) -> str:
        """Add samples divided by their lengths; zeros stay zeros."""
        is_zero = self.add("Equal", lengths, self.constant(0.0))
        divisors = self.add("Where", is_zero, self.constant(1.0), lengths)
        return self.add("Div", samples, divisors, output=output)


def _unit_samples(graph: _Graph, source: CentredNormalizer, W: ArrayLike) -> str:
    """Add the output "unit"; return the lengths that :class:`CentredNormalizer` removes."""
    samples = "source"
    if source.directions:
        lengths = graph.lengths(samples)
        samples = graph.scaled(samples, lengths)
    centred = graph.add("Sub", samples, graph.constant(source.mean))
    mapped = graph.add("MatMul", centred, graph.constant(W))
    if not source.directions:
        graph.scaled(mapped, graph.lengths(mapped), output="unit")
        return graph.lengths(centred)
    unit = graph.scaled(mapped, graph.lengths(mapped))
    zero = graph.constant(0.0)
    graph.add("Where", graph.add("Equal", lengths, zero), zero, unit, output="unit")
    return lengths


def _raw_samples(
    graph: _Graph, source: CentredNormalizer, target: CentredNormalizer, lengths: str
) -> None:
    """Add the output "target", from the output "unit" and the lengths of source samples."""
    mean = graph.constant(target.mean)
    if target.length is not None:
        offset = graph.add("Mul", "unit", _reach(graph, target, target.length))
        graph.add("Add", offset, mean, output="target")
        return
    if target.keeps_lengths_of(source):
        lengths = graph.add("Mul", lengths, graph.constant(target.radius / source.radius))
    else:
        lengths = graph.constant(target.radius)
    if target.directions:
        offset = graph.add("Mul", "unit", _reach(graph, target, 1.0))
        graph.add("Mul", graph.add("Add", offset, mean), lengths, output="target")
    else:
        graph.add("Add", graph.add("Mul", "unit", lengths), mean, output="target")


def _reach(graph: _Graph, target: CentredNormalizer, length: float) -> str:
    """Add the distance along unit samples from the mean to the sphere of radius `length`."""
    mean = target.mean.astype(np.float64)
    along = graph.add("MatMul", "unit", graph.constant(mean[:, None]))
    rest = graph.add("Add", graph.add("Mul", along, along), graph.constant(length**2 - mean @ mean))
    root = graph.add("Sqrt", graph.add("Max", rest, graph.constant(0.0)))
    return graph.add("Sub", root, along)


def _check_range(*normalizers: CentredNormalizer) -> None:
    """Refuse spaces of which float32 does not hold the squares of lengths."""
    low, high = _LENGTHS
    for side, one in zip(SIDES, normalizers, strict=True):
        lengths = [one.radius] + ([] if one.length is None else [one.length])
        small = any(0 < length < low for length in lengths)
        if small or max(*lengths, float(np.abs(one.mean).max())) > high:
            raise ValueError(
                f"The {side} samples have a length of about {one.radius:.3g}. An ONNX graph "
                "computes in float32, which cannot represent squares of such numbers. Multiply the "
                "space by a constant before fit."
            )
