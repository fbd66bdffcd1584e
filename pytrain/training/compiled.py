"""A meta step's gradient, traced once and compiled: the same products, with everything between them fused.

The trace goes through autograd (as for the export), so what is compiled is the plain arithmetic of the very
same inner loop. It takes seconds to a minute, and pays for itself in long trainings only.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import cpp_extension

from pytrain.data.tasks import Batch, Spans, Tasks
from pytrain.models.networks import Params
from pytrain.settings import Compile

WORTH_COMPILING = 10_000
"""Meta steps. Compiling takes 5 to 45 s and saves 1 to 15 ms a step with networks of game size."""

Gradient = Callable[[Params, Tasks, Tensor | None], tuple[Params, Tensor]]
"""From meta-parameters, prepared tasks and step weights to the meta-gradient and the loss."""


def pays_off(choice: Compile, meta_steps: int) -> bool:
    """Whether to compile: by the number of meta steps alone, so that the same command gives the same
    result."""
    if choice == "auto":
        return meta_steps >= WORTH_COMPILING and compiler() is not None
    return choice == "always"


def compiler() -> str | None:
    """The C++ compiler that torch needs on a CPU, or None."""
    return shutil.which("g++") or shutil.which("clang++")


class Compiled:
    """`gradient`, compiled at the first call for the shapes it is given there."""

    def __init__(self, gradient: Gradient) -> None:
        self._gradient = gradient
        self._run: Callable[..., Sequence[Tensor]] | None = None

    def __call__(
        self, meta_params: Params, tasks: Tasks, step_weights: Tensor | None
    ) -> tuple[Params, Tensor]:
        """The meta-gradient, and the loss it was taken of."""
        values = [*meta_params.values(), *_columns(tasks)]
        if step_weights is not None:
            values.append(step_weights)
        with torch.no_grad():
            if self._run is None:
                self._run = self._compile(meta_params, tasks, step_weights, values)
                with _quoted_library_path():
                    self._run(*values)  # compiles
            *gradients, loss = self._run(*values)
        return dict(zip(meta_params, gradients, strict=True)), loss

    def _compile(
        self, meta_params: Params, tasks: Tasks, step_weights: Tensor | None, values: Sequence[Tensor]
    ) -> Callable[..., Sequence[Tensor]]:
        names, supports = list(meta_params), len(tasks.supports)
        has_spans = tasks.spans is not None

        def plain(*values: Tensor) -> tuple[Tensor, ...]:
            columns = values[len(names) : len(names) + 3 * (supports + 1)]
            spans = None
            if has_spans:
                at = len(names) + len(columns)
                spans = Spans(*values[at : at + 2])
            batches = [Batch(*columns[first : first + 3]) for first in range(0, len(columns), 3)]
            weights = None if step_weights is None else values[-1]
            with torch.enable_grad():
                gradients, loss = self._gradient(
                    dict(zip(names, values, strict=False)),
                    Tasks(tuple(batches[:-1]), batches[-1], spans),
                    weights,
                )
            return (*gradients.values(), loss)

        examples = [value.detach() for value in values]
        graph: Any = make_fx(plain, decomposition_table=APART)(*examples)
        compiled: Callable[..., Sequence[Tensor]] = torch.compile(graph, dynamic=False)
        return compiled


@contextmanager
def _quoted_library_path() -> Iterator[None]:
    """torch quotes the folders of its headers for the C++ compiler, but not the one of its libraries."""
    with patch.object(cpp_extension, "TORCH_LIB_PATH", shlex.quote(cpp_extension.TORCH_LIB_PATH)):
        yield


def _columns(tasks: Tasks) -> list[Tensor]:
    columns = [column for batch in (*tasks.supports, tasks.query) for column in vars(batch).values()]
    return columns if tasks.spans is None else [*columns, tasks.spans.first, tasks.spans.end]


def _bmm_and_add(
    bias: Tensor, values: Tensor, weight: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    return alpha * torch.bmm(values, weight) + beta * bias


APART: dict[Any, Callable[..., Tensor]] = {torch.ops.aten.baddbmm.default: _bmm_and_add}
"""A bias that is added apart from the product fuses with the activation after it."""
