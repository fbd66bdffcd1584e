"""Model -> ONNX graphs: traces the model and the one inner loop, and puts the traces together.

Run as its own process (`export` starts it), because a failed torch export can leave the process unusable.
Two functions are traced and become ONNX functions: `prepared` (normalisation, one-hot) and `inner_step`
with its autograd. The graph that adapts is assembled from calls of them, with the step inside an ONNX Loop,
so that the number of steps is an input; at the end the calls are inlined, and any ONNX runtime can run the
result.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.inliner import inline_local_functions
from onnxscript.optimizer import remove_unused_nodes
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from pytrain.data.tasks import Batch
from pytrain.learners.inner_loop import first_memory, for_each_task, inner_step
from pytrain.models.model import Model, load_model
from pytrain.models.networks import Params
from pytrain.models.regression import FORGETTING

DOMAIN = "adaptive_agents"
SHARED, RATE, MEMORY = "shared.", "rate.", "memory."
EXAMPLES = ("observations", "targets", "weights")
PROFILES, ROWS = 211, 223
"""Sizes of what is traced. Tracing takes free axes that happen to be as long as a layer for that layer's, and
freezes them; so they are sizes that no layer has."""


@dataclass(frozen=True)
class Trace:
    """A function as ONNX; every leading axis is free."""

    model: onnx.ModelProto

    @property
    def opset(self) -> int:
        """Version of ONNX's own operators that the exporter chose."""
        return int(next(entry.version for entry in self.model.opset_import if entry.domain == ""))

    def as_function(self, name: str) -> onnx.FunctionProto:
        """The trace as a function to call from another graph; constants move into its body."""
        graph = self.model.graph
        constants = [helper.make_node("Constant", [], [each.name], value=each) for each in graph.initializer]
        return helper.make_function(
            DOMAIN,
            name,
            [value.name for value in graph.input],
            [value.name for value in graph.output],
            [*constants, *graph.node],
            [helper.make_opsetid("", self.opset)],
        )


def policy(model: Model, params: Params) -> onnx.ModelProto:
    """`observations (agents, obs_dim)`, parameters -> `predictions (agents, outputs)`.

    The parameters are initializers as well as inputs: the graph runs as it is, and takes a player's when
    given.
    """
    observations = torch.zeros(ROWS, _observation_size(model))
    trace = _trace(
        _decision(model, params),
        {"observations": observations} | params,
        {"observations": ("agents",)},
        _decision_outputs(model),
    )
    graph = trace.model.graph
    graph.initializer.extend(numpy_helper.from_array(value.numpy(), name) for name, value in params.items())
    return trace.model


def policy_batched(model: Model, params: Params) -> onnx.ModelProto:
    """`observations (profiles, agents, obs_dim)`, parameters `(profiles, *shape)` -> predictions likewise."""
    observations = torch.zeros(PROFILES, ROWS, _observation_size(model))
    return _trace(
        _decision(model, params),
        {"observations": observations} | _one_set_each(params),
        {"observations": ("profiles", "agents")} | dict.fromkeys(params, ("profiles",)),
        _decision_outputs(model),
    ).model


def _decision(model: Model, params: Params) -> Callable[..., Tensor | tuple[Tensor, ...]]:
    """From observations and parameters to predictions and, where there are some, their deviations."""

    def decision(observations: Tensor, *values: Tensor) -> Tensor | tuple[Tensor, ...]:
        given = dict(zip(params, values, strict=True))
        predictions = model.predict(given, observations)
        if not model.has_deviations:
            return predictions
        return predictions, model.deviations(given, observations)

    return decision


def _decision_outputs(model: Model) -> list[str]:
    return ["predictions", "deviations"] if model.has_deviations else ["predictions"]


def adapt(model: Model, params: Params) -> onnx.ModelProto:
    """The inner loop: parameters `(profiles, *shape)`, a support set, `inner_lr`, `num_inner_steps`
    -> `adapted.<name>` each, `loss_before` and `loss_after` `(profiles,)`.
    """
    prepared, step = _trace_prepared(model), _trace_step(model, params)
    carried = params | _named(MEMORY, first_memory(model, params))
    constants = _constants(model)
    adapted = {name: f"adapted.{name}" for name in carried}
    support = [f"support_{column}" for column in EXAMPLES]
    ready = ["ready_observations", "ready_targets", "support_weights"]

    def one_step(start: Sequence[str], number: str, end: Sequence[str], loss: str) -> onnx.NodeProto:
        given = [*start, *ready, "inner_lr", number, *constants]
        return helper.make_node("inner_step", given, [*end, loss], domain=DOMAIN)

    def only_loss(start: Sequence[str], loss: str) -> onnx.NodeProto:
        return one_step(start, "first_step", [""] * len(carried), loss)

    now, after = [f"now.{name}" for name in carried], [f"after.{name}" for name in carried]
    loop_body = helper.make_graph(
        [
            one_step(now, "step", after, "loss_of_step"),
            helper.make_node("Identity", ["go_on"], ["still_go_on"]),
        ],
        "one_inner_step",
        [
            helper.make_tensor_value_info("step", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            *(_profile_values(name, value) for name, value in zip(now, carried.values(), strict=True)),
        ],
        [
            helper.make_tensor_value_info("still_go_on", TensorProto.BOOL, []),
            *(_profile_values(name, value) for name, value in zip(after, carried.values(), strict=True)),
        ],
    )
    observation_size, target_columns = _observation_size(model), _target_columns(model)
    graph = helper.make_graph(
        [
            helper.make_node("prepared", support[:2], ready[:2], domain=DOMAIN),
            *_first_memory_nodes(model, params),
            only_loss(list(carried), "loss_before"),
            helper.make_node(
                "Loop", ["num_inner_steps", "", *carried], list(adapted.values()), body=loop_body
            ),
            only_loss(list(adapted.values()), "loss_after"),
        ],
        "adapt",
        [
            *(_profile_values(name, value) for name, value in params.items()),
            _float_values("support_observations", "profiles", "support", observation_size),
            _float_values("support_targets", "profiles", "support", target_columns),
            _float_values("support_weights", "profiles", "support"),
            _float_values("inner_lr"),
            helper.make_tensor_value_info("num_inner_steps", TensorProto.INT64, []),
            *(_float_values(FORGETTING) for _ in range(FORGETTING in model.shared)),
        ],
        [
            *(_profile_values(adapted[name], value) for name, value in params.items()),
            _float_values("loss_before", "profiles"),
            _float_values("loss_after", "profiles"),
        ],
        initializer=[
            numpy_helper.from_array(np.zeros((), np.int64), "first_step"),
            *(numpy_helper.from_array(value.numpy(), name) for name, value in constants.items()),
        ],
    )
    whole = helper.make_model(
        graph,
        functions=[prepared.as_function("prepared"), step.as_function("inner_step")],
        opset_imports=[helper.make_opsetid("", step.opset), helper.make_opsetid(DOMAIN, 1)],
        ir_version=step.model.ir_version,
    )
    inlined = inline_local_functions(whole)
    remove_unused_nodes(inlined)  # the gradients of the two calls that are only asked for a loss
    onnx.checker.check_model(inlined)
    return inlined


def _trace_prepared(model: Model) -> Trace:
    def prepared(observations: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        return model.normalised(observations), model.encoded(targets)

    return _trace(
        prepared,
        {
            "observations": torch.zeros(PROFILES, ROWS, _observation_size(model)),
            "targets": torch.zeros(PROFILES, ROWS, _target_columns(model)),
        },
        {"observations": ("profiles", "support"), "targets": ("profiles", "support")},
        ["ready_observations", "ready_targets"],
    )


def _first_memory_nodes(model: Model, params: Params) -> list[onnx.NodeProto]:
    """What the optimiser remembers before the first step: zeros, as many as there are parameters."""
    nodes = []
    for name in first_memory(model, params):
        nodes.append(helper.make_node("Shape", [name], [f"shape.{name}"]))
        nodes.append(helper.make_node("ConstantOfShape", [f"shape.{name}"], [MEMORY + name]))
    return nodes


def _trace_step(model: Model, params: Params) -> Trace:
    memory = first_memory(model, params)

    def step(*values: Tensor) -> tuple[Tensor, ...]:
        given = dict(zip(inputs, values, strict=True))
        with_constants = replace(
            model,
            shared={name: given[_shared_name(name)] for name in model.shared},
            rates={name: given[RATE + name] for name in model.rates or ()} or None,
        )
        after = inner_step(
            with_constants,
            {name: given[name] for name in params},
            {name: given[MEMORY + name] for name in memory},
            Batch(*(given[name] for name in EXAMPLES)),
            given["inner_lr"],
            given["step"],
        )
        return (*after.params.values(), *after.memory.values(), after.losses)

    of_profiles = _one_set_each(params | _named(MEMORY, memory))
    inputs = (
        of_profiles
        | _prepared_support(model)
        | {"inner_lr": torch.tensor(0.1), "step": torch.tensor(0)}
        | _constants(model)
    )
    axes = dict.fromkeys(of_profiles, ("profiles",)) | dict.fromkeys(EXAMPLES, ("profiles", "support"))
    # make_fx first: the exporter does not see through autograd. Symbolic: otherwise all axes are frozen.
    return _trace(
        make_fx(step, tracing_mode="symbolic")(*inputs.values()),
        inputs,
        axes,
        [*(f"stepped.{name}" for name in of_profiles), "losses"],
    )


def _trace(
    function: Callable[..., Tensor | tuple[Tensor, ...]],
    inputs: Mapping[str, Tensor],
    free_axes: Mapping[str, Sequence[str]],
    output_names: Sequence[str],
) -> Trace:
    """Exports `function` with the named leading axes free."""
    arguments = tuple(inputs.values())
    axes = {axis: torch.export.Dim(axis, min=1) for names in free_axes.values() for axis in names}
    program = torch.onnx.export(
        _AsModule(function).eval(),
        arguments,
        dynamo=True,
        verbose=False,
        input_names=list(inputs),
        output_names=list(output_names),
        dynamic_shapes=(
            tuple(
                {index: axes[axis] for index, axis in enumerate(free_axes.get(name, ()))} for name in inputs
            ),
        ),
    )
    if program is None:
        raise RuntimeError("torch.onnx.export gave no program")
    return Trace(_without_notes(program.model_proto))


def _without_notes(model: onnx.ModelProto) -> onnx.ModelProto:
    """Drops where each node came from: half of the bytes, and paths of the machine that trained."""
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info, *model.graph.initializer):
        del value.metadata_props[:]
        value.doc_string = ""
    del model.graph.metadata_props[:], model.metadata_props[:]
    del model.graph.value_info[:]
    return model


class _AsModule(torch.nn.Module):
    """A function in the form that the exporter takes."""

    def __init__(self, function: Callable[..., Tensor | tuple[Tensor, ...]]) -> None:
        super().__init__()
        self._function = function

    def forward(self, *arguments: Tensor) -> Tensor | tuple[Tensor, ...]:
        return self._function(*arguments)


def _one_set_each(params: Params) -> Params:
    """Example parameters with a leading axis."""
    return {name: value.clone() for name, value in for_each_task(params, PROFILES).items()}


def _named(prefix: str, params: Params) -> Params:
    return {prefix + name: value for name, value in params.items()}


def _constants(model: Model) -> Params:
    """What is the same for all players, by its name in the graph that adapts."""
    shared = {_shared_name(name): value for name, value in model.shared.items()}
    return shared | _named(RATE, model.rates or {})


def _shared_name(name: str) -> str:
    """How fast is forgotten may be set in play: an input by its own name; the others are constants."""
    return name if name == FORGETTING else SHARED + name


def _prepared_support(model: Model) -> dict[str, Tensor]:
    observations = torch.zeros(PROFILES, ROWS, _observation_size(model))
    targets = torch.zeros(PROFILES, ROWS, model.target.size)
    return {"observations": observations, "targets": targets, "weights": torch.ones(PROFILES, ROWS)}


def _observation_size(model: Model) -> int:
    return len(model.normalisation.observation_mean)


def _target_columns(model: Model) -> int:
    return len(model.normalisation.target_mean)


def _float_values(name: str, *axes: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(axes))


def _profile_values(name: str, value: Tensor) -> onnx.ValueInfoProto:
    return _float_values(name, "profiles", *value.shape)


def main(request: Path, folder: Path, parts: Sequence[str]) -> None:
    """Write the graphs of the model in `request` that are named in `parts` to `folder`."""
    torch.set_num_threads(1)
    model, params = load_model(request)
    graphs = {"policy.onnx": policy, "policy_batched.onnx": policy_batched, "adapt.onnx": adapt}
    for part in parts:
        (folder / part).write_bytes(graphs[part](model, params).SerializeToString())


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # the exporter's notes on its own deprecations
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
