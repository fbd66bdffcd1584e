"""One ONNX graph in onnxruntime, its inputs and outputs checked by name, shape and type when it is loaded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from adaptive_agents.errors import BrainError

FREE = -1
"""In a shape: an axis that must take any size."""


_TYPES = {"num_inner_steps": "tensor(int64)"}


@dataclass(frozen=True)
class Signature:
    """The names and shapes that a graph must have; outputs are returned in this order."""

    inputs: Mapping[str, tuple[int, ...]]
    outputs: Mapping[str, tuple[int, ...]]


class Graph:
    """A checked onnxruntime session that runs on the calling thread."""

    def __init__(self, model: bytes, name: str, signature: Signature, threads: int = 1) -> None:
        """Loads the graph.

        Raises:
            BrainError: it is no valid ONNX, or its inputs and outputs are not those of the signature.
        """
        # onnxruntime reports to its makers, under an identity in the player's home. Not in a game:
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        # Here and not above: it takes a tenth of a second, which a game without a brain need not spend.
        import onnxruntime

        onnxruntime.disable_telemetry_events()

        onnxruntime.set_default_logger_severity(3)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Threads that spin while they wait would take a core from the game.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own exceptions share no other base
            raise BrainError(f"{name} cannot be loaded by onnxruntime ({error}): train it again") from error
        nodes = [*self._session.get_inputs(), *self._session.get_overridable_initializers()]
        _check(name, "input", {node.name: node for node in nodes}, signature.inputs)
        _check(name, "output", {node.name: node for node in self._session.get_outputs()}, signature.outputs)
        for node in self._session.get_inputs():
            if node.name not in signature.inputs:
                raise BrainError(
                    f"{name} has an input '{node.name}' that this addon does not know: train it again"
                )
        self._outputs = list(signature.outputs)

    def run(self, feed: Mapping[str, NDArray[Any]]) -> list[NDArray[np.float32]]:
        """Runs the graph; other Python threads run meanwhile."""
        return cast("list[NDArray[np.float32]]", self._session.run(self._outputs, feed))


def _check(name: str, what: str, nodes: Mapping[str, Any], expected: Mapping[str, tuple[int, ...]]) -> None:
    for key, shape in expected.items():
        if key not in nodes:
            raise BrainError(f"{name} has no {what} '{key}', it has {', '.join(nodes)}: train it again")
        wanted_type = _TYPES.get(key, "tensor(float)")
        if nodes[key].type != wanted_type:
            raise BrainError(
                f"{name}: {what} '{key}' is a {nodes[key].type}, not a {wanted_type}: train it again"
            )
        found = list(nodes[key].shape)
        # onnxruntime gives a free axis as its name or None, and no axes where it could not infer a shape.
        unknown = what == "output" and not found
        fits = len(found) == len(shape) and not any(
            isinstance(size, int) and size != wanted for size, wanted in zip(found, shape, strict=True)
        )
        if not unknown and not fits:
            wanted_shape = ", ".join("any" if size == FREE else str(size) for size in shape)
            raise BrainError(
                f"{name}: {what} '{key}' has shape ({', '.join(map(str, found))}), its manifest needs "
                f"({wanted_shape}): train it again"
            )
