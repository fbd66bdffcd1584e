"""Code that was run once can be given back: it is read again where it is called."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.runtime_walk import ADDON

CODE = f"""
import sys
sys.path[:0] = [r"{ADDON / "bin"}", r"{ADDON / "python"}"]
import numpy, onnxruntime
from _adaptive_agents import lib

def resident():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

before = resident()
lib.aa_forget_code(b"onnxruntime_pybind11_state")
given_back = before - resident()
assert onnxruntime.get_available_providers()
lib.aa_forget_code(b"no such library")
print(given_back)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux is asked to")
@pytest.mark.skipif(not list((ADDON / "bin").glob("_adaptive_agents.*")), reason="not built: make setup")
def test_given_back_code_frees_memory_and_still_runs() -> None:
    run = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True, timeout=60)
    assert int(run.stdout) > 2_000
