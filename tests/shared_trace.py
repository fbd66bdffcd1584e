"""Tracing a model's graphs takes seconds; brains that differ only in their weights can share one trace."""

from __future__ import annotations

import onnx
from onnx import numpy_helper

from pytrain.export.brain import trace_graphs
from pytrain.models.model import Model
from pytrain.models.networks import Params


class TracedOnce:
    """Stands in for `trace_graphs` of pytrain.export; `export_brain` compares every brain with torch."""

    def __init__(self) -> None:
        self._traces: dict[tuple[object, ...], dict[str, bytes]] = {}

    def __call__(self, model: Model, params: Params) -> dict[str, bytes]:
        tensors = [
            *model.normalisation.tensors().values(),
            *model.shared.values(),
            *(model.rates or {}).values(),
        ]
        constants = (value.numpy().tobytes() for value in tensors)
        key = (model.network, model.target, model.optimiser, model.adapts, *constants)
        if key not in self._traces:
            self._traces[key] = trace_graphs(model, params)
        graphs = self._traces[key]
        return graphs | {"policy.onnx": _with_initializers(graphs["policy.onnx"], params)}


def _with_initializers(graph: bytes, params: Params) -> bytes:
    """The weights are part of this graph only, as the initializers that are named like them."""
    model = onnx.load_from_string(graph)
    for initializer in model.graph.initializer:
        if initializer.name in params:
            initializer.CopyFrom(numpy_helper.from_array(params[initializer.name].numpy(), initializer.name))
    return model.SerializeToString()
