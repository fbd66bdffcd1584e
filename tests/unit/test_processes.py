"""Processes side by side: all of them, or one clear error and nothing left running."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pytrain.errors import PytrainError
from pytrain.games.processes import Job, run_side_by_side
from pytrain.progress import Progress


def python(tmp_path: Path, name: str, code: str, **settings: Any) -> Job:
    return Job(name, [sys.executable, "-c", code], tmp_path / f"{name}.log", **settings)


def test_progress_adds_up_over_processes_and_ends_at_the_total(tmp_path: Path) -> None:
    seen: list[Progress] = []
    code = "import time; print('PROGRESS 5 10', flush=True); time.sleep(0.5)"
    jobs = [python(tmp_path, name, code, units=10) for name in ("left", "right")]
    run_side_by_side(jobs, at_once=2, stage="test", progress=seen.append)
    assert any(0 < progress.done < 20 for progress in seen)
    assert (seen[-1].done, seen[-1].total) == (20, 20)


def test_no_more_processes_run_at_once_than_asked_for(tmp_path: Path) -> None:
    jobs = [python(tmp_path, str(n), "import time; time.sleep(0.3)") for n in range(3)]
    started = time.monotonic()
    run_side_by_side(jobs, at_once=1, stage="test")
    assert time.monotonic() - started > 0.9


def test_a_failing_process_is_named_with_its_exit_code_its_words_and_its_log(tmp_path: Path) -> None:
    job = python(tmp_path, "recording", "import sys; print('no arena'); sys.exit(3)")
    with pytest.raises(PytrainError, match=r"recording ended with exit code 3; its log is .*\n    no arena"):
        run_side_by_side([job], at_once=1, stage="test")


def test_an_error_in_the_log_fails_a_process_that_exits_with_0(tmp_path: Path) -> None:
    job = python(tmp_path, "recording", "print('SCRIPT ERROR: null')", failure="^SCRIPT ERROR.*$")
    with pytest.raises(PytrainError, match=r"recording reported 1 error; .*\n    SCRIPT ERROR: null"):
        run_side_by_side([job], at_once=1, stage="test")


def test_a_failure_stops_the_other_processes_and_what_they_started(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    grandchild = f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {grandchild!r}])"
    failing = (
        f"import os, sys, time\nwhile not os.path.exists({str(pid_file)!r}): time.sleep(0.05)\n"
        "time.sleep(0.2); sys.exit(1)"
    )
    jobs = [python(tmp_path, "parent", parent), python(tmp_path, "failing", failing)]
    with pytest.raises(PytrainError, match="failing ended with exit code 1"):
        run_side_by_side(jobs, at_once=2, stage="test")
    assert ends(int(pid_file.read_text()))


def ends(pid: int) -> bool:
    """Whether a process that is no child of ours is over; its new parent may take a while to bury it."""
    for _ in range(200):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_a_process_that_hangs_is_stopped_when_its_time_is_up(tmp_path: Path) -> None:
    job = python(tmp_path, "sleeper", "import time; time.sleep(60)", timeout_sec=0.5)
    with pytest.raises(PytrainError, match="sleeper was still running after 0 s"):
        run_side_by_side([job], at_once=1, stage="test")


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    job = Job("recording", [str(tmp_path / "no-godot")], tmp_path / "log")
    with pytest.raises(PytrainError, match=r"could not start .*no-godot"):
        run_side_by_side([job], at_once=1, stage="test")


def test_a_result_printed_to_stdout_goes_to_its_own_file(tmp_path: Path) -> None:
    job = python(tmp_path, "evaluate", "print('{}')", output=tmp_path / "result.json")
    run_side_by_side([job], at_once=1, stage="test")
    assert (tmp_path / "result.json").read_text() == "{}\n"
