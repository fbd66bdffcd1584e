"""The package as a whole: what it promises by name, and what it costs to import."""

from __future__ import annotations

import subprocess
import sys

import adaptive_agents
from adaptive_agents import errors


def test_every_promised_name_exists() -> None:
    assert [name for name in adaptive_agents.__all__ if not hasattr(adaptive_agents, name)] == []
    assert adaptive_agents.__all__ == sorted(adaptive_agents.__all__)


def test_every_error_is_promised_and_has_the_one_base() -> None:
    defined = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert defined <= set(adaptive_agents.__all__)
    assert all(issubclass(getattr(errors, name), errors.AdaptiveAgentsError) for name in defined)


def test_importing_the_runtime_loads_neither_onnxruntime_nor_torch_nor_pytrain() -> None:
    code = (
        "import sys, adaptive_agents.model.adaptation\n"
        "import adaptive_agents.tick.decisions, adaptive_agents.tick.labels\n"
        "import adaptive_agents.tick.prediction_error, adaptive_agents.formats.session\n"
        "print([name for name in ('onnxruntime', 'torch', 'pytrain') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_importing_numpy_starts_no_threads_and_leaves_the_environment_alone() -> None:
    code = (
        "import os, threading\n"
        "before = dict(os.environ)\n"
        "import adaptive_agents, numpy\n"
        "assert dict(os.environ) == before\n"
        "numpy.ones((300, 300)) @ numpy.ones((300, 300))\n"
        "print(len(os.listdir('/proc/self/task')))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "1"
