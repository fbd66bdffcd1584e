"""Compiles Python modules to the same bytes wherever and whenever it is done: `compiled.py < jobs.json`.

Runs in a process of its own, because what else a process has imported shows in the bytes that it writes. A
job names the source, the path that error messages will show, and the file to write.
"""

from __future__ import annotations

import importlib.util
import json
import marshal
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

_UNCHECKED_HASH = 0b01
"""A game's files do not change, so nothing is compared when a module is imported."""


@dataclass(frozen=True)
class Job:
    """One module."""

    source: str
    shown_as: str
    target: str


class CompileError(Exception):
    """A module cannot be compiled; the message names it and says what is wrong with it."""


def compile_all(jobs: list[Job]) -> None:
    """Compiles them in a fresh interpreter.

    Raises:
        CompileError: one has an error in its syntax, or cannot be read or written.
    """
    # An order of sets that is the same every time, and no site: the environment imports its own things there.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    run = subprocess.run(
        [sys.executable, "-s", "-S", "-B", __file__],
        input=json.dumps([asdict(job) for job in jobs]),
        env={**kept, "PYTHONHASHSEED": "0"},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if run.returncode:
        raise CompileError(run.stderr.strip())


def _compile(job: Job) -> None:
    source = Path(job.source).read_bytes()
    # Level 2: without docstrings, 1.5 MB that nobody reads in a game.
    code = compile(source, job.shown_as, "exec", dont_inherit=True, optimize=2)
    head = importlib.util.MAGIC_NUMBER + _UNCHECKED_HASH.to_bytes(4, "little")
    target = Path(job.target)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(head + importlib.util.source_hash(source) + marshal.dumps(code))


if __name__ == "__main__":
    for each in json.load(sys.stdin):
        try:
            _compile(Job(**each))
        except (SyntaxError, ValueError, OSError) as error:
            sys.exit(f"'{each['source']}' cannot be compiled ({error}): install its package again")
