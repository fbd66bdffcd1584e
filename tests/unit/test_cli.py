"""A user's mistake on the command line: one clear message, exit code 2, never a traceback."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from adaptive_agents.formats.session import SessionHeader, SessionWriter
from adaptive_agents.model.brain import write_brain
from pytrain import cli
from pytrain.data.dataset import player_hash
from tests.tiny_brain import VECTOR_SPEC, make_manifest, make_parts, make_tiny_brain


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GODOT", str(tmp_path / "no-such-godot"))


@pytest.fixture
def fake_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An engine that answers to --version and otherwise runs the commands that a test writes into it."""
    engine = tmp_path / "godot"
    engine.write_text('#!/bin/sh\ncase "$*" in *--version*) echo 4.6.3.stable; exit;; esac\nexit 0\n')
    engine.chmod(0o755)
    monkeypatch.setenv("GODOT", str(engine))
    return engine


def mistake(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    """Run a command that must end with exit code 2; return its message with the line breaks taken out."""
    assert cli.main([str(word) for word in words]) == cli.USER_MISTAKE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err
    assert captured.err.count("error: ") == 1
    return " ".join(captured.err.partition("error: ")[2].split())


def test_help_answers_without_importing_torch_or_onnxruntime() -> None:
    code = (
        "import sys, pytrain.cli\n"
        "try: pytrain.cli.main(['train', '--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'onnx', 'onnxruntime')))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "--inner-lr" in ended.stdout


@pytest.mark.parametrize("command", list(cli.COMMANDS))
def test_every_setting_of_every_command_is_explained(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    unexplained = re.findall(r"(--[a-z-]+) (?:\{[^}]*\}\S*|[A-Z\[][^a-z(]*)?\s*\((?:default|required)", shown)
    assert unexplained == []


def test_a_missing_engine_is_named(
    capsys: pytest.CaptureFixture[str], no_engine: None, tmp_path: Path
) -> None:
    message = mistake(capsys, "record", "--out", tmp_path / "sessions", "--players", "0:2")
    assert "no-such-godot" in message
    assert "download Godot" in message


def test_a_range_of_nobody_is_answered_with_an_example(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert "'5:5'" in mistake(capsys, "record", "--out", tmp_path / "s", "--players", "5:5")


def test_recording_on_top_of_sessions_is_refused(
    capsys: pytest.CaptureFixture[str], fake_engine: Path, tmp_path: Path
) -> None:
    SessionWriter(tmp_path / "old.session", SessionHeader(VECTOR_SPEC, "ann")).close()
    assert "already holds sessions" in mistake(capsys, "record", "--out", tmp_path, "--players", "0:1")


def test_a_folder_that_cannot_be_made_is_named(
    capsys: pytest.CaptureFixture[str], fake_engine: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    message = mistake(capsys, "record", "--out", tmp_path / "file" / "sessions", "--players", "0:1")
    assert "cannot be created (Not a directory)" in message


def test_players_without_a_session_after_recording_are_named(
    capsys: pytest.CaptureFixture[str], fake_engine: Path, tmp_path: Path
) -> None:
    message = mistake(capsys, "record", "--out", tmp_path / "sessions", "--players", "0:2")
    assert "2 of 2 players left no session" in message
    assert "meta-train-0000" in message


def test_an_engine_that_fails_is_quoted_and_its_log_is_named(
    capsys: pytest.CaptureFixture[str], fake_engine: Path, tmp_path: Path
) -> None:
    fake_engine.write_text(fake_engine.read_text().replace("exit 0", "echo SCRIPT ERROR: no arena"))
    message = mistake(capsys, "record", "--out", tmp_path / "sessions", "--players", "0:1", "--jobs", "1")
    assert "SCRIPT ERROR: no arena" in message
    assert "record-meta-train.log" in message


def test_a_brain_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "gone.brain" in mistake(capsys, "play", tmp_path / "gone.brain")
    assert "gone.brain" in mistake(capsys, "evaluate", tmp_path / "gone.brain", tmp_path)
    assert "gone.brain" in mistake(capsys, "inspect", tmp_path / "gone.brain")


def test_a_damaged_brain_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "archer.brain"
    make_tiny_brain(path)
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    path.write_bytes(damaged)
    assert "archer.brain" in mistake(capsys, "inspect", path)
    assert "archer.brain" in mistake(capsys, "evaluate", path, tmp_path)


def test_a_player_that_a_brain_was_trained_on_cannot_judge_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    header = SessionHeader(VECTOR_SPEC, "ann")
    with SessionWriter(tmp_path / "ann.session", header) as writer:
        for tick in range(0, 70 * 60, 6):
            writer.add(tick, 0, 0, [0.0, 0.0, 0.0], [0.0, 0.0])
    training = {"player_ids_sha256": [player_hash("ann")]}
    write_brain(tmp_path / "a.brain", {**make_manifest(), "training": training}, make_parts())
    message = mistake(capsys, "evaluate", tmp_path / "a.brain", tmp_path / "ann.session")
    assert "ann" in message
    assert "a.brain" in message


def test_what_is_missing_on_the_command_line_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    make_tiny_brain(tmp_path / "a.brain")
    assert "no sessions to train on" in mistake(capsys, "train", "--out", tmp_path / "a.brain")
    assert "no brain to evaluate" in mistake(capsys, "evaluate", tmp_path)
    assert "no sessions to evaluate on" in mistake(capsys, "evaluate", tmp_path / "a.brain")
    assert "no file to show" in mistake(capsys, "inspect")


def test_a_demo_does_not_delete_files_that_no_demo_made(
    capsys: pytest.CaptureFixture[str], fake_engine: Path, tmp_path: Path
) -> None:
    (tmp_path / "thesis.txt").touch()
    assert "no demo made" in mistake(capsys, "demo", "--out", tmp_path)
    assert (tmp_path / "thesis.txt").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("record", "--jobs", "0"), "--jobs is 0: at least 1 process"),
        (("record", "--seconds", "-3"), "--seconds is -3: it must be 1 or more"),
        (("demo", "--test-players", "0"), "--test-players is 0: it must be 1 or more"),
        (
            ("demo", "--seconds", "10"),
            "--seconds is 10, but the error is measured on what is played after 40",
        ),
    ],
)
def test_an_amount_that_cannot_work_is_refused_before_anything_is_recorded(
    capsys: pytest.CaptureFixture[str],
    fake_engine: Path,
    tmp_path: Path,
    words: tuple[str, ...],
    message: str,
) -> None:
    assert message in mistake(capsys, *words, "--out", tmp_path / "out")
    assert not list(tmp_path.glob("out/**/*.log"))


def test_an_unknown_command_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["recrod"])
    assert ended.value.code == 2
    assert "recrod" in capsys.readouterr().err


def test_ctrl_c_ends_with_130_and_says_what_is_kept(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pytrain.evaluation.inspection.inspect", interrupt)
    assert cli.main(["inspect", "a.brain"]) == cli.INTERRUPTED
    assert "interrupted; nothing was written" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_is_ended_ends_what_it_has_started(tmp_path: Path, number: signal.Signals) -> None:
    """`kill`, or a terminal that is closed, in the middle of a recording."""
    engine, pid = tmp_path / "godot", tmp_path / "pid"
    engine.write_text(
        '#!/bin/sh\ncase "$*" in *--version*) echo 4.6.3.stable; exit;; esac\n'
        f"echo $$ > '{pid}.new'; mv '{pid}.new' '{pid}'; exec sleep 60\n"
    )
    engine.chmod(0o755)
    command = [sys.executable, "-m", "pytrain", "record", "--out", tmp_path / "s", "--players", "0:1"]
    with subprocess.Popen(
        command, env=os.environ | {"GODOT": str(engine)}, stderr=subprocess.PIPE, text=True
    ) as process:
        while not pid.exists():
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        process.send_signal(number)
        assert process.wait(30) == 128 + number
        assert f"ended by {number.name}; every finished session is whole" in process.stderr.read()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_our_own_mistakes_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr("pytrain.evaluation.inspection.inspect", fail)
    with pytest.raises(RuntimeError, match="ours"):
        cli.main(["inspect", "a.brain"])
