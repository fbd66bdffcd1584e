"""The addon's panel and inspector, tried in a real editor by a second plugin, the probe."""

from __future__ import annotations

import re

import pytest

from adaptive_agents.formats.session import SessionHeader, SessionWriter
from tests.tiny_brain import VECTOR_SPEC, make_tiny_brain

PROBE_SETTINGS = """
[editor_plugins]

enabled=PackedStringArray({plugins})
"""
PROBE_CONFIG = '[plugin]\n\nname="Probe"\ndescription=""\nauthor=""\nversion="1"\nscript="plugin.gd"\n'
PROBE = """
@tool
extends EditorPlugin


func _ready() -> void:
	await get_tree().process_frame
	var panel := EditorInterface.get_base_control().find_child("AdaptiveAgents", true, false)
	await probe(panel)
	# What the editor does in the background right after its start ends first.
	while EditorInterface.get_resource_filesystem().is_scanning():
		await get_tree().process_frame
	get_tree().quit()


func say(topic: String, text: Variant) -> void:
	print("[%s] %s" % [topic, str(text).replace("\\n", " / ")])


func use_pytrain(program: String) -> void:
	ProjectSettings.set_setting("adaptive_agents/editor/pytrain", program)


func retrain(topic: String, panel: Control) -> void:
	panel._on_retrain_pressed()
	while panel._process_of_training.is_running():
		await get_tree().process_frame
	say(topic, panel._log.get_parsed_text())


func probe(panel: Control) -> void:
	make_bottom_panel_item_visible(panel)
	panel.refresh()
	say("button without sessions", panel._retrain.tooltip_text)
	say("button without sessions", panel._retrain.disabled)

	DirAccess.rename_absolute("user://kept", "user://sessions")
	panel.refresh()
	say("summary", panel._summary.text)
	for item: TreeItem in panel._sessions.get_root().get_children():
		say("players", "%s: %s" % [item.get_text(0), item.get_first_child().get_tooltip_text(0)])

	use_pytrain("/nowhere/pytrain")
	await retrain("no pytrain", panel)
	use_pytrain("res://failing.sh")
	await retrain("failing", panel)
	panel.brain_written.connect(func(path: String) -> void: say("written", path))
	use_pytrain("res://working.sh")
	await retrain("working", panel)
	use_pytrain("res://endless.sh")
	panel._on_retrain_pressed()
	while panel._progress.value < 1:
		await get_tree().process_frame
	panel._on_retrain_pressed()
	say("stopped", panel._log.get_parsed_text())
	say("progress", "%d of %d" % [panel._progress.value, panel._progress.max_value])

	var summary := load("res://addons/adaptive_agents/editor/brain_summary.gd")
	var shown: Control = summary.new(load("res://archer.brain"))
	for label: Label in shown._lines.get_children():
		say("brain", label.text)
	shown.free()
	var scores := {"players": 48, "at_sec": 20.0, "error_before": 73.4411, "error_after": 53.56}
	say("scores", summary.describe_scores(scores))
	say("scores", summary.describe_scores({"hit_rate": 0.01234, "note": "a"}))

	EditorInterface.set_plugin_enabled("adaptive_agents", false)
	await get_tree().process_frame
	await get_tree().process_frame
	say("disabled", "gone" if not is_instance_valid(panel) else "still there")
"""
PYTRAIN = """#!/bin/sh
echo "arguments: $*"
echo "progress as $PYTRAIN_PROGRESS"
echo "PROGRESS 1 2" >&2
printf 'caf\\303\\251\\n' >&2
for argument; do out=$argument; done
{end}
"""
ADDON = "res://addons/adaptive_agents/plugin.cfg"
# The editor asks for a Vulkan driver even where it draws with OpenGL or not at all.
NO_VULKAN = ["VK_KHR_surface", r"rendering_context_driver_vulkan"]


@pytest.fixture(scope="module")
def project(make_project_in, tmp_path_factory):
    """A project with the addon and the probe, with sessions that the probe brings to light, and a brain."""
    files = {"addons/probe/plugin.cfg": PROBE_CONFIG, "addons/probe/plugin.gd": PROBE}
    project = make_project_in(tmp_path_factory.mktemp("editor"), files)
    plugins = f'"{ADDON}", "res://addons/probe/plugin.cfg"'
    with (project.path / "project.godot").open("a", encoding="utf-8") as settings:
        settings.write(PROBE_SETTINGS.format(plugins=plugins))
    project.write("failing.sh", PYTRAIN.format(end="exit 2")).chmod(0o755)
    project.write("working.sh", PYTRAIN.format(end='touch "$out"')).chmod(0o755)
    project.write("endless.sh", PYTRAIN.format(end="exec sleep 600")).chmod(0o755)
    make_tiny_brain(project.path / "archer.brain")
    sessions = project.user_folder / "kept"
    record(sessions, "ann", 20)
    record(sessions / "below", "bob", 30)
    (sessions / "damaged.session").write_bytes(b"nonsense")
    return project


@pytest.fixture(scope="module")
def said(project, run_godot):
    """What the probe found, by topic; one editor for all tests, since starting one takes seconds."""
    run = run_godot(["--editor"], project=project, allow=NO_VULKAN, timeout_sec=120)
    answers: dict[str, list[str]] = {}
    for topic, text in re.findall(r"^\[([a-z ]+)\] (.*)$", run.stdout, re.MULTILINE):
        answers.setdefault(topic, []).append(text)
    return answers


def record(folder, player, rows):
    """Writes one short session."""
    folder.mkdir(parents=True, exist_ok=True)
    with SessionWriter(folder / f"{player}.session", SessionHeader(VECTOR_SPEC, player)) as writer:
        for tick in range(rows):
            writer.add(tick, 0, 0, [1.0, 2.0, 3.0], [0.0, 1.0])


def test_without_sessions_the_button_says_what_to_do(said):
    advice = "Nothing is recorded yet: add a SessionRecorder to a scene and play"
    assert said["button without sessions"] == [advice, "true"]


def test_the_panel_lists_sessions_by_player(said):
    assert said["summary"][0].startswith("3 sessions of 2 players, ")
    players = sorted(said["players"])
    assert players[1] == "ann (1): user://sessions/ann.session"
    assert players[2] == "bob (1): user://sessions/below/bob.session"


def test_a_damaged_session_is_listed_with_its_reason(said):
    assert "damaged.session' is not a session" in sorted(said["players"])[0]


def test_without_pytrain_the_log_says_where_it_was_looked_for(said):
    assert "There is no pytrain on this machine (looked for /nowhere/pytrain)" in said["no pytrain"][0]
    assert "make setup" in said["no pytrain"][0]


def test_retrain_gives_pytrain_the_sessions_and_the_file_to_write(said, project):
    sessions, brain = project.user_folder / "sessions", project.path / "new.brain"
    assert f"arguments: train {sessions} --algorithm memory --out {brain}" in said["working"][0]
    assert brain.exists()


def test_retrain_streams_what_pytrain_says(said):
    assert "progress as lines" in said["working"][0]
    assert "café" in said["working"][0]
    assert said["progress"] == ["1 of 2"]


def test_a_training_that_ends_well_announces_the_brain(said):
    assert "res://new.brain is ready" in said["working"][0]
    assert said["written"] == ["res://new.brain"]


def test_a_training_that_fails_says_so(said):
    assert "No brain was written (exit status 2)." in said["failing"][0]


def test_a_training_can_be_stopped(said):
    assert said["stopped"][0].endswith("Stopped; no brain was written. / ")


def test_a_brain_reads_as_words(said):
    shown = said["brain"]
    assert "3 numbers: player_velocity[2], distance" in shown
    assert "player_displacement[2], 0.1 s ahead" in shown
    assert "5 steps of 0.1 on the newest 32 examples" in shown
    assert said["scores"] == [
        "error 73.4 → 53.6 (73 %) after 20 s of play, 48 players",
        "hit rate 0.0123 / note a",
    ]


def test_the_addon_leaves_nothing_behind_when_it_is_disabled(said):
    assert said["disabled"] == ["gone"]
