"""`.brain` files: a meta-learned model that predicts, and that a few gradient steps fit to a player.

A brain is a zip (stored, not compressed):

    manifest.json        format, version, spec, algorithm, inner loop, training, scores, SHA-256 of each part
    policy.onnx          one set of weights for all agents; its weights are initializers and inputs at once
    policy_batched.onnx  the same with a leading profile axis on every weight
    adapt.onnx           (weights, support set) -> (new weights, losses), for any number of profiles
    frozen.onnx          optional: the pooled model, which never adapts; play is never much worse than it
    init_params.bin      the meta-learned weights, float32, in the manifest's order

`pytrain.export` writes it with `write_brain`; the engine reads it with `Brain.load`. onnxruntime is imported
at the first load, so that importing this module stays cheap.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from adaptive_agents.errors import BrainError, SpecError
from adaptive_agents.formats.atomic import write_atomically
from adaptive_agents.model.brain_archive import (
    FORMAT,
    FROZEN_PART,
    VERSION,
    Archive,
)
from adaptive_agents.model.brain_archive import GRAPH_PARTS as GRAPH_PARTS
from adaptive_agents.model.brain_archive import PARAMS_PART as PARAMS_PART
from adaptive_agents.model.graph import FREE, Graph, Signature
from adaptive_agents.model.inner_loop import STATISTICS, inner_loop_of, uncertainty_of
from adaptive_agents.model.posterior import PRECISION, with_posterior
from adaptive_agents.model.support import SupportSet
from adaptive_agents.model.window import Window
from adaptive_agents.spec import Spec

Params = dict[str, NDArray[np.float32]]
"""The weights of a model by name: each `(*shape,)` for one profile, `(profiles, *shape)` for several."""


@dataclass(frozen=True)
class AdaptResult:
    """What the adapt graph gives, for each profile. Losses are in normalised units."""

    params: Params
    loss_before: NDArray[np.float32]
    """(profiles,): mean loss on the support set with the weights that went in."""
    loss_after: NDArray[np.float32]
    """(profiles,): the same with the weights that came out."""


Estimate = tuple[NDArray[np.float32], NDArray[np.float32] | None]
"""Predictions, and their standard deviations in the target's units; None: they are not known."""


class Brain:
    """A loaded brain. Its runs may be made from several threads at once.

    Attributes:
        source: where it was read from: a path or `res://` address.
        spec: what it observes and predicts.
        algorithm: the learner that trained it, such as "maml".
        model: the model's name and sizes, as trained.
        window: which of an agent's observations one prediction takes.
        inner_loop: how it adapts.
        uncertainty: what its deviations mean; None: it gives none.
        init_params: the meta-learned weights, read-only arrays of shape `(*shape,)`.
        scores: what evaluation found, as stored by `pytrain`.
        training: what it was trained on, as stored by `pytrain`.
        sha256: hash of the whole file, in hexadecimal.
    """

    def __init__(self, data: bytes, source: str, threads: int) -> None:
        self.source = source
        self.sha256 = hashlib.sha256(data).hexdigest()
        archive = Archive(data, f"brain '{source}'")
        manifest = archive.manifest
        try:
            self.spec = Spec.from_dict(manifest.get("spec"), archive.name)
        except SpecError as error:
            raise BrainError(str(error)) from None
        self.algorithm = archive.entry("algorithm", str)
        self.model: dict[str, Any] = archive.entry("model", dict)
        self.window = _window(archive)
        self.inner_loop = inner_loop_of(archive.entry("inner_loop", dict), archive.name)
        self.uncertainty = uncertainty_of(
            archive.manifest.get("uncertainty"), self.spec.target.kind, archive.name
        )
        self.scores: dict[str, Any] = archive.entry("scores", dict)
        self.training: dict[str, Any] = archive.entry("training", dict)
        self.init_params = _init_params(archive)

        inputs, columns, outputs = self.input_size, self.spec.target_columns, self.spec.target.size
        shapes = {name: array.shape for name, array in self.init_params.items()}
        stacked = {name: (FREE, *shape) for name, shape in shapes.items()}
        made = ("predictions",) if self.uncertainty is None else ("predictions", "deviations")
        forgets = {"forgetting": ()} if self.inner_loop.consolidation == STATISTICS else {}
        signatures = (
            Signature({"observations": (FREE, inputs), **shapes}, dict.fromkeys(made, (FREE, outputs))),
            Signature(
                {"observations": (FREE, FREE, inputs), **stacked}, dict.fromkeys(made, (FREE, FREE, outputs))
            ),
            Signature(
                {
                    **stacked,
                    "support_observations": (FREE, FREE, inputs),
                    "support_targets": (FREE, FREE, columns),
                    "support_weights": (FREE, FREE),
                    "inner_lr": (),
                    "num_inner_steps": (),
                    **forgets,
                },
                {
                    **{f"adapted.{name}": shape for name, shape in stacked.items()},
                    "loss_before": (FREE,),
                    "loss_after": (FREE,),
                },
            ),
        )
        self._policy, self._policy_batched, self._adapt = (
            Graph(archive.parts[part], f"{archive.name}: {part}", signature, threads)
            for part, signature in zip(GRAPH_PARTS, signatures, strict=True)
        )
        self._frozen = None
        if FROZEN_PART in archive.parts:
            signature = Signature({"observations": (FREE, inputs)}, {"predictions": (FREE, outputs)})
            name = f"{archive.name}: {FROZEN_PART}"
            self._frozen = Graph(archive.parts[FROZEN_PART], name, signature, threads)

    @classmethod
    def load(cls, data: bytes, source: str, threads: int = 1) -> Self:
        """Reads a brain from the bytes of its file.

        Args:
            data: the whole file; in the engine it comes from FileAccess, since `res://` may be inside a .pck.
            source: its path or address, named in errors.
            threads: for onnxruntime; 1 in play, since the other cores belong to the game.

        Raises:
            BrainError: it is no brain, of another version, damaged, or its graphs do not fit its manifest.
        """
        return cls(data, source, threads)

    @classmethod
    def open(cls, path: str | os.PathLike[str], threads: int = 1) -> Self:
        """Reads a brain from a file.

        Raises:
            BrainError: as `load`, or the file cannot be opened.
        """
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise BrainError(
                f"brain '{os.fspath(path)}' cannot be opened ({error.strerror}): "
                "check the path, or train one with `pytrain train`"
            ) from error
        return cls(data, os.fspath(path), threads)

    @property
    def label(self) -> str:
        """Short, for messages: "brain 'archer.brain'"."""
        return f"brain '{PurePosixPath(self.source.replace(os.sep, '/')).name}'"

    @property
    def input_size(self) -> int:
        """The width of a row to predict from: the slots of a window, oldest first."""
        return self.window.input_size(self.spec.observation_size)

    def predict(self, observations: NDArray[np.float32], params: Params | None = None) -> NDArray[np.float32]:
        """Predicts with one set of weights for all rows.

        Args:
            observations: `(agents, input_size)`
            params: each `(*shape,)`; None means the brain's own.

        Returns:
            `(agents, outputs)`: the target in its own units (vector) or logits (category).
        """
        return self.estimate(observations, params)[0]

    def estimate(self, observations: NDArray[np.float32], params: Params | None = None) -> Estimate:
        """Predicts as `predict`, and says how sure it is.

        Returns:
            The predictions; and their standard deviations of the same shape and units, or None where the
            brain gives none.
        """
        feed = {"observations": observations} if params is None else {"observations": observations, **params}
        return _estimate(self._policy.run(feed))

    def predict_batched(self, observations: NDArray[np.float32], params: Params) -> NDArray[np.float32]:
        """Predicts with weights of its own for each profile.

        Args:
            observations: `(profiles, agents, input_size)`
            params: each `(profiles, *shape)`

        Returns:
            `(profiles, agents, outputs)`
        """
        return self.estimate_batched(observations, params)[0]

    def estimate_batched(self, observations: NDArray[np.float32], params: Params) -> Estimate:
        """Predicts as `predict_batched`, and says how sure it is: as `estimate`, with a leading axis."""
        return _estimate(self._policy_batched.run({"observations": observations, **params}))

    def predict_frozen(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        """Predicts with the model that never adapts: the brain's `frozen` part, or else its own weights.

        Args:
            observations: `(agents, input_size)`

        Returns:
            `(agents, outputs)`
        """
        return self.estimate_frozen(observations)[0]

    def estimate_frozen(self, observations: NDArray[np.float32]) -> Estimate:
        """Predicts as `predict_frozen`. A frozen part gives no deviations."""
        if self._frozen is None:
            return self.estimate(observations)
        return _estimate(self._frozen.run({"observations": observations}))

    def adapt(
        self,
        params: Params,
        support: SupportSet,
        inner_lr: float | None = None,
        num_inner_steps: int | None = None,
        forgetting: float | None = None,
    ) -> AdaptResult:
        """Runs the inner loop on the support set, for all profiles at once.

        Args:
            params: where the inner loop starts, each `(profiles, *shape)`.
            support: what it learns from; a profile needs at least one row of weight > 0 to have a loss. No
                rows at all (profiles, 0, …) leave the weights as they are, at a loss of 0.
            inner_lr: None means the brain's own.
            num_inner_steps: None means as many as the brain takes for what each profile has shown
                (`InnerLoop.steps_for`, with one moment for each row of weight > 0); 0 gives the loss only,
                and the weights as they were, also where they do not come from gradient steps.
            forgetting: None means the brain's own; only brains that keep statistics have one.

        Raises:
            PosteriorError: a brain that keeps statistics was given examples that have no posterior.
        """
        if support.weights.shape[1] == 0:
            # Not left to the graphs: whether one takes an axis without rows, and what a mean over it gives,
            # differs between the operators that an exporter chooses.
            nothing = np.zeros(len(support.weights), np.float32)
            return AdaptResult(dict(params), nothing, nothing)
        settings = self.inner_loop
        if num_inner_steps is None:
            moments = (support.weights > 0).sum(1)
            steps_of_each = np.array([settings.steps_for(int(each)) for each in moments])
            if (steps_of_each != steps_of_each[0]).any():
                return self._adapt_in_groups(params, support, inner_lr, steps_of_each, forgetting)
            num_inner_steps = int(steps_of_each[0])
        steps = num_inner_steps
        forgets = {}
        if settings.consolidation == STATISTICS:
            share = settings.forgetting if forgetting is None else forgetting
            forgets = {"forgetting": np.asarray(share, np.float32)}
        outputs = self._adapt.run(
            {
                **params,
                "support_observations": support.observations,
                "support_targets": support.targets,
                "support_weights": support.weights,
                "inner_lr": np.asarray(settings.inner_lr if inner_lr is None else inner_lr, np.float32),
                "num_inner_steps": np.asarray(steps, np.int64),
                **forgets,
            }
        )
        *values, loss_before, loss_after = outputs
        adapted = dict(zip(self.init_params, values, strict=True))
        if PRECISION in adapted and steps > 0:
            adapted = with_posterior(adapted)
            loss_after = self.adapt(adapted, support, num_inner_steps=0).loss_before
        return AdaptResult(adapted, loss_before, loss_after)

    def _adapt_in_groups(
        self,
        params: Params,
        support: SupportSet,
        inner_lr: float | None,
        steps: NDArray[np.int64],
        forgetting: float | None,
    ) -> AdaptResult:
        """The profiles that take equally many steps in one run each; `steps (profiles,)`."""
        adapted = {name: np.empty_like(value) for name, value in params.items()}
        loss_before, loss_after = np.empty((2, len(steps)), np.float32)
        for count in np.unique(steps):
            mine = steps == count
            part = self.adapt(
                {name: value[mine] for name, value in params.items()},
                SupportSet(*(column[mine] for column in support.columns())),
                inner_lr,
                int(count),
                forgetting,
            )
            for name, value in part.params.items():
                adapted[name][mine] = value
            loss_before[mine], loss_after[mine] = part.loss_before, part.loss_after
        return AdaptResult(adapted, loss_before, loss_after)


def write_brain(
    path: str | os.PathLike[str], manifest: Mapping[str, Any], parts: Mapping[str, bytes]
) -> Brain:
    """Writes a `.brain`, after loading it as the engine will; the file appears whole or not at all.

    Args:
        path: where to; an older file is replaced.
        manifest: the entries of `manifest.json`; `format`, `version` and `parts` are filled in here.
        parts: the content of `policy.onnx`, `policy_batched.onnx`, `adapt.onnx` and `init_params.bin`,
            and of `frozen.onnx` if there is one.

    Raises:
        BrainError: the parts do not fit the manifest, or the file cannot be written.
    """
    hashes = {name: {"sha256": hashlib.sha256(content).hexdigest()} for name, content in parts.items()}
    whole = {**manifest, "format": FORMAT, "version": VERSION, "parts": hashes}
    try:
        text = json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise BrainError(
            f"brain '{os.fspath(path)}': its manifest cannot be stored as JSON ({error})"
        ) from error
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in (("manifest.json", text.encode()), *parts.items()):
            # ZipInfo's own date (1980) instead of now: the same training gives the same bytes.
            archive.writestr(zipfile.ZipInfo(name), content)
    brain = Brain.load(buffer.getvalue(), os.fspath(path))
    try:
        write_atomically(path, buffer.getvalue())
    except OSError as error:
        raise BrainError(
            f"brain '{os.fspath(path)}' cannot be written ({error.strerror}): "
            "choose a folder that exists and has room"
        ) from error
    return brain


def _estimate(outputs: list[NDArray[np.float32]]) -> Estimate:
    return outputs[0], outputs[1] if len(outputs) > 1 else None


def _window(archive: Archive) -> Window:
    try:  # brains of before windows, or before sparse ones, lack these entries
        return Window(archive.manifest.get("window", 1), archive.manifest.get("window_stride_ticks", 0))
    except SpecError as error:
        raise BrainError(f"{archive.name}: its manifest has {error}: train it again") from error


def _init_params(archive: Archive) -> Params:
    shapes: dict[str, tuple[int, ...]] = {}
    for parameter in archive.entry("parameters", list):
        try:
            shapes[str(parameter["name"])] = tuple(int(size) for size in parameter["shape"])
        except (KeyError, TypeError, ValueError) as error:
            raise BrainError(
                f"{archive.name}: its manifest has the parameter {parameter!r}: train it again"
            ) from error
    expected = 4 * sum(math.prod(shape) for shape in shapes.values())
    data = archive.parts[PARAMS_PART]
    if len(data) != expected:
        raise BrainError(
            f"{archive.name}: {PARAMS_PART} has {len(data)} bytes, its parameters need {expected}"
        )
    values = np.frombuffer(data, "<f4").astype(np.float32)
    if not np.isfinite(values).all():
        raise BrainError(
            f"{archive.name} has weights that are not finite: its training diverged; train it again"
        )
    values.flags.writeable = False
    params: Params = {}
    for name, shape in shapes.items():
        size = math.prod(shape)
        params[name], values = values[:size].reshape(shape), values[size:]
    return params
