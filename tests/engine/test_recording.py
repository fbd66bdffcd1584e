"""Sessions that are recorded in the engine: whole, and still readable after a crash."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from contextlib import contextmanager

import numpy as np

from adaptive_agents.formats.session import read_session
from tests.engine.conftest import _environment
from tests.engine.scenes import ARCHER, main, record
from tests.tiny_brain import VECTOR_SPEC, make_tiny_brain

FIELDS = """
agent.observation_fields = PackedStringArray(["player_velocity[2]", "distance"])
agent.target = "player_displacement[2]"
agent.horizon = 6
"""


def sessions_of(project):
    return sorted((project.user_folder / "sessions").glob("*.session"))


def test_what_agents_saw_and_what_came_of_it_is_recorded_without_a_brain(make_project, run_godot):
    body = f"""
var agent := archer("Archer", "")
{FIELDS}
{record()}
await ticks(100)
agent.end_episode()
await ticks(50)
"""
    project = make_project({"archer.gd": ARCHER, "main.gd": main(body)})
    log = run_godot(["--fixed-fps", "60", "main.tscn"], project=project).stdout
    (path,) = sessions_of(project)
    assert f"saved {path}" in log
    session = read_session(path)
    assert not session.truncated
    assert session.header.spec == VECTOR_SPEC
    assert (session.header.player_id, session.header.seed, session.header.game_build) == ("Ann", 5, "a game")
    examples = session.examples
    assert 130 <= len(examples) <= 150
    assert set(examples.agents) == {0}
    np.testing.assert_array_equal(np.unique(examples.episodes), [0, 1])
    gaps = np.flatnonzero(np.diff(examples.ticks) != 1)
    assert len(gaps) == 1, "the end of the episode drops what was waiting"
    # The archer's measurement is the observation turned by a quarter: (sin, -cos) after (cos, sin).
    angle = np.arctan2(examples.observations[:, 1], examples.observations[:, 0])
    later = angle + 6 * 0.3
    change = np.stack([np.sin(later) - np.sin(angle), np.cos(angle) - np.cos(later)], axis=1)
    np.testing.assert_allclose(examples.targets, change, atol=1e-4)


def test_agents_with_a_brain_are_recorded_too_and_saving_begins_another_file(make_project, run_godot):
    body = f"""
for i in 3:
	archer("Archer%d" % i).decision_interval = i + 1
{record()}
await ticks(60)
print("first ", recorder.save())
await ticks(60)
recorder.recording = false
await ticks(30)
"""
    project = make_project({"archer.gd": ARCHER, "main.gd": main(body)})
    make_tiny_brain(project.path / "archer.brain")
    log = run_godot(["--fixed-fps", "60", "main.tscn"], project=project).stdout
    assert log.count("saved ") == 2
    for path in sessions_of(project):
        examples = read_session(path).examples
        counts = np.bincount(examples.agents)
        assert len(counts) == 3
        assert counts[0] > counts[1] > counts[2] > 0
    assert len(sessions_of(project)) == 2


def test_an_agent_keeps_its_number_to_the_end_of_the_session(make_project, run_godot):
    body = f"""
var agents := [archer("One"), archer("Two"), archer("Three")]
for i in 3:
	agents[i].time = 1000 * i
{record()}
await ticks(30)
recorder.save()
await ticks(30)
agents[0].queue_free()
await ticks(30)
"""
    by_clock = ARCHER.replace("sin(time), 1.0]", "sin(time), time]")
    project = make_project({"archer.gd": by_clock, "main.gd": main(body)})
    make_tiny_brain(project.path / "archer.brain")
    run_godot(["--fixed-fps", "60", "main.tscn"], project=project)
    sessions = [read_session(path).examples for path in sessions_of(project)]
    assert sum(map(len, sessions)) > 200
    for examples in sessions:
        np.testing.assert_array_equal(examples.agents, examples.observations[:, 2] // 1000)


def test_a_recorder_records_only_what_is_below_its_parent(make_project, run_godot):
    body = f"""
var arena := Node.new()
add_child(arena)
var inside: AdaptiveAgent = archer("Inside")
inside.reparent(arena)
archer("Outside")
{record()}
recorder.reparent(arena)
await ticks(40)
"""
    project = make_project({"archer.gd": ARCHER, "main.gd": main(body)})
    make_tiny_brain(project.path / "archer.brain")
    run_godot(["--fixed-fps", "60", "main.tscn"], project=project)
    examples = [read_session(path).examples for path in sessions_of(project)]
    assert all(len(np.unique(part.agents)) == 1 for part in examples)


def test_a_session_that_grows_too_large_is_finished(make_project, run_godot):
    body = f"""
archer("Archer")
{record()}
recorder.max_megabytes = 0.004
for i in 30:
	await ticks(10)
	OS.delay_msec(100)
print("recording ", recorder.recording)
"""
    project = make_project({"archer.gd": ARCHER, "main.gd": main(body)})
    make_tiny_brain(project.path / "archer.brain")
    run = run_godot(["--fixed-fps", "60", "main.tscn"], project=project)
    assert "recording false" in run.stdout
    assert run.stderr.count("has reached 0.004 MB (max_megabytes): recording stops") == 1
    (path,) = sessions_of(project)
    assert f"saved {path}" in run.stdout
    assert 4000 < path.stat().st_size < 20000


def test_a_killed_game_loses_a_few_seconds_at_most(make_project, godot):
    body = f"""
var agent := archer("Archer")
{record()}
print("recording")
await ticks(100000)
"""
    project = make_project({"archer.gd": ARCHER, "main.gd": main(body)})
    make_tiny_brain(project.path / "archer.brain")
    with started(godot, project):
        seen = wait_for_examples(project, 60)
        time.sleep(3)
    (path,) = sessions_of(project)
    session = read_session(path)
    assert len(session.examples) >= seen + 60, "less than one of the last three seconds is there"
    assert np.all(np.diff(session.examples.ticks) == 1)


def test_a_disk_that_fills_up_loses_nothing(make_project, godot):
    body = f"""
var agent := archer("Archer")
{record()}
while not FileAccess.file_exists("user://enough"):
	await ticks(1)
"""
    project = make_project({"archer.gd": ARCHER, "main.gd": main(body)})
    make_tiny_brain(project.path / "archer.brain")
    log = project.path / "log.txt"
    # No file may grow beyond 4 KiB: for a program that looks like a full disk, and it can be lifted from
    # outside.
    with started(godot, project, first="trap '' XFSZ; ulimit -S -f 8; exec") as process:
        wait_until(lambda: "cannot be written" in log.read_text())
        time.sleep(3)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        (project.user_folder / "enough").touch()
        assert process.wait(timeout=30) == 0
    (path,) = sessions_of(project)
    session = read_session(path)
    assert len(session.examples) > 300
    assert not session.truncated
    assert np.all(np.diff(session.examples.ticks) == 1), "a stretch of the recording is missing"
    assert log.read_text().count("ERROR:") == 1
    assert "free some space; the next flush tries again" in log.read_text()


@contextmanager
def started(godot, project, *, first="exec"):
    """The engine running the project beside the test.

    `first` is a shell command before it. Killed at the end.
    """
    command = [
        "sh",
        "-c",
        f'{first} "$0" "$@"',
        str(godot),
        "--headless",
        "--path",
        str(project.path),
        "main.tscn",
    ]
    with (project.path / "log.txt").open("w") as log:
        process = subprocess.Popen(
            command, env=_environment(project, None, {}), stdout=log, stderr=log, start_new_session=True
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_for_examples(project, count, limit_sec=40):
    """Waits until the growing session holds some examples; how many."""
    found = 0

    def enough():
        nonlocal found
        found = sum(
            len(read_session(path).examples) for path in sessions_of(project) if path.stat().st_size > 300
        )
        return found >= count

    wait_until(enough, limit_sec)
    return found


def wait_until(is_true, limit_sec=40):
    end = time.monotonic() + limit_sec
    while not is_true():
        assert time.monotonic() < end, f"it did not happen within {limit_sec} s"
        time.sleep(0.2)
