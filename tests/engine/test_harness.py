"""The harness itself: an engine that runs is told from one that does not."""

from __future__ import annotations

import numpy as np
import pytest

QUIET = """
extends Node

func _ready() -> void:
	print("hello from ", OS.get_name())
	get_tree().quit()
"""


def test_a_plain_scene_runs_headless(make_project, run_godot):
    project = make_project({"main.gd": QUIET}, addon=False)
    assert "hello from Linux" in run_godot(["main.tscn"], project=project).stdout


def test_a_window_opens_and_shows_what_was_drawn(make_project, run_godot, xvfb):
    source = "extends Node2D\n\nfunc _draw() -> void:\n\tdraw_circle(Vector2(320, 180), 100.0, Color.RED)\n"
    project = make_project({"main.gd": source}, addon=False)
    project.take_screenshot()
    run_godot(["main.tscn"], project=project, window=xvfb)
    picture = project.read_screenshot()
    assert picture.shape == (360, 640, 3)
    np.testing.assert_array_equal(picture[180, 320], [255, 0, 0])
    assert picture[10, 10].max() > 0, "the background is black: nothing was rendered"


def test_an_error_fails_the_run_unless_it_is_allowed(make_project, run_godot):
    source = QUIET.replace("print(", 'push_error("the arrow is lost")\n\tprint(')
    project = make_project({"main.gd": source}, addon=False)
    with pytest.raises(pytest.fail.Exception, match="the arrow is lost"):
        run_godot(["main.tscn"], project=project)
    run_godot(["main.tscn"], project=project, allow=["the arrow is lost"])


def test_a_script_error_fails_the_run(make_project, run_godot):
    source = QUIET.replace("print(", "get_node(^'Nobody').queue_free()\n\tprint(")
    project = make_project(
        {"main.gd": source + "\n\nfunc _process(_delta: float) -> void:\n\tget_tree().quit()\n"}
    )
    with pytest.raises(pytest.fail.Exception, match="SCRIPT ERROR"):
        run_godot(["main.tscn"], project=project)


def test_a_leaked_object_fails_the_run(make_project, run_godot):
    project = make_project({"main.gd": QUIET.replace("print(", "Object.new()\n\tprint(")}, addon=False)
    with pytest.raises(pytest.fail.Exception, match="leaked"):
        run_godot(["main.tscn"], project=project)


def test_another_exit_status_fails_the_run(make_project, run_godot):
    project = make_project({"main.gd": QUIET.replace("quit()", "quit(3)")}, addon=False)
    with pytest.raises(pytest.fail.Exception, match="exited with 3, not 0"):
        run_godot(["main.tscn"], project=project)
    run_godot(["main.tscn"], project=project, exit_code=3)


def test_an_engine_that_does_not_end_is_ended(make_project, run_godot):
    project = make_project({"main.gd": "extends Node\n"}, addon=False)
    with pytest.raises(pytest.fail.Exception, match="did not end within 2 s"):
        run_godot(["main.tscn"], project=project, timeout_sec=2)
