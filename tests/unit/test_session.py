"""A session survives what happens to files: crashes at any byte, flipped bits, a full disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaptive_agents.errors import AdaptiveAgentsError, ObservationError, SessionError
from adaptive_agents.formats.session import (
    Examples,
    SessionHeader,
    SessionReader,
    SessionWriter,
    iter_chunks,
    read_header,
    read_session,
)
from tests.tiny_brain import CATEGORY_SPEC, VECTOR_SPEC
from tests.unit.full_disk import files_limited_to

HEADER = SessionHeader(VECTOR_SPEC, "ann", seed=7, game_build="1.2", started_at="2026-01-01T00:00:00Z")
CHUNK_ROWS = 4


def record(path: Path, rows: int, chunk_rows: int = CHUNK_ROWS) -> bytes:
    with SessionWriter(path, HEADER, chunk_rows) as writer:
        for tick in range(rows):
            writer.add(tick, tick % 2, tick // 5, [tick, 0.5, -tick], [tick, 1.0], weight=0.25)
    return path.read_bytes()


def make_examples(rows: int, first_tick: int = 0, **columns: Any) -> Examples:
    ticks = np.arange(first_tick, first_tick + rows)
    given = {
        "ticks": ticks,
        "agents": np.zeros(rows, np.int32),
        "episodes": np.zeros(rows, np.int32),
        "observations": np.repeat(ticks[:, None], 3, axis=1).astype(np.float32),
        "targets": np.ones((rows, 2), np.float32),
        "weights": np.ones(rows, np.float32),
    }
    return Examples(**{**given, **columns})


def test_what_was_recorded_reads_back(tmp_path: Path) -> None:
    record(tmp_path / "a.session", 10)
    session = read_session(tmp_path / "a.session")
    assert session.header == HEADER == read_header(tmp_path / "a.session")
    assert not session.truncated
    examples = session.examples
    assert examples.ticks.tolist() == list(range(10))
    assert examples.agents.tolist() == [0, 1] * 5
    assert examples.episodes.tolist() == [0] * 5 + [1] * 5
    assert examples.observations[3].tolist() == [3.0, 0.5, -3.0]
    assert examples.targets[3].tolist() == [3.0, 1.0]
    assert examples.weights.tolist() == [0.25] * 10


def test_a_session_without_examples_reads_as_empty(tmp_path: Path) -> None:
    session = read_session(record(tmp_path / "a.session", 0))
    assert (len(session.examples), session.truncated) == (0, False)
    assert session.examples.observations.shape == (0, 3)


def test_chunks_are_streamed_in_order(tmp_path: Path) -> None:
    data = record(tmp_path / "a.session", 10)
    assert [chunk.ticks.tolist() for chunk in iter_chunks(data)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_many_rows_at_once_equal_rows_one_by_one(tmp_path: Path) -> None:
    one_by_one = record(tmp_path / "a.session", 10)
    with SessionWriter(tmp_path / "b.session", HEADER, CHUNK_ROWS) as writer:
        everything = read_session(one_by_one).examples
        writer.extend(everything.select(slice(0, 7)))
        writer.extend(everything.select(slice(7, 10)))
    for name in ("ticks", "agents", "episodes", "observations", "targets", "weights"):
        np.testing.assert_array_equal(
            getattr(read_session(tmp_path / "b.session").examples, name), getattr(everything, name)
        )


def test_a_file_cut_at_any_byte_reads_up_to_its_last_whole_chunk(tmp_path: Path) -> None:
    data = record(tmp_path / "a.session", 10)
    with SessionReader(data) as reader:
        ends = [reader._file.tell()]
        ends += [reader._file.tell() for _ in reader.iter_chunks()]
    rows_at = dict(zip(ends, (0, 4, 8, 10), strict=True))
    for length in range(len(data) + 1):
        if length < ends[0]:
            with pytest.raises(SessionError):
                read_session(data[:length])
            continue
        session = read_session(data[:length])
        assert len(session.examples) == max(rows for end, rows in rows_at.items() if end <= length)
        assert session.truncated == (length not in rows_at)
        assert session.examples.ticks.tolist() == list(range(len(session.examples)))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return record(tmp_path_factory.mktemp("session") / "a.session", 10)


@settings(max_examples=300)
@given(data=st.data())
def test_flipped_bytes_never_give_wrong_examples(whole: bytes, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(whole) - 1))
    flipped = bytearray(whole)
    flipped[position] ^= data.draw(st.integers(1, 255))
    try:
        session = read_session(bytes(flipped))
    except SessionError:
        return  # the header was hit
    rows = len(session.examples)
    assert session.truncated
    assert session.examples.ticks.tolist() == list(range(rows))
    assert rows % CHUNK_ROWS == 0
    np.testing.assert_array_equal(
        session.examples.observations, read_session(whole).examples.observations[:rows]
    )


@given(st.binary(max_size=200))
def test_any_other_bytes_are_refused_as_no_session(data: bytes) -> None:
    with pytest.raises(SessionError):
        read_session(data)


def test_a_stretch_of_zeros_after_a_crash_is_no_chunk(tmp_path: Path) -> None:
    session = read_session(record(tmp_path / "a.session", 8) + bytes(4096))
    assert (len(session.examples), session.truncated) == (8, True)


def test_a_full_disk_loses_nothing_and_leaves_the_file_valid(tmp_path: Path) -> None:
    path = tmp_path / "a.session"
    writer = SessionWriter(path, HEADER, CHUNK_ROWS)
    writer.extend(make_examples(4))
    on_disk = writer.bytes_written
    with files_limited_to(on_disk + 50):  # room for a part of a chunk, not for a whole one
        with pytest.raises(
            SessionError, match=rf"cannot be written .*{on_disk} bytes are safe.*4 examples are kept"
        ):
            writer.extend(make_examples(4, first_tick=4))
        writer.add(8, 0, 0, [8, 8, 8], [1, 1])
        with pytest.raises(SessionError, match="5 examples are kept"):
            writer.flush()
        session = read_session(path)
        assert (session.examples.ticks.tolist(), session.truncated) == ([0, 1, 2, 3], False)
        assert path.stat().st_size == on_disk
    writer.flush()
    writer.close()
    session = read_session(path)
    assert session.examples.ticks.tolist() == list(range(9))
    assert not session.truncated


def test_a_disk_that_stays_full_is_tried_again_once_per_chunk(tmp_path: Path) -> None:
    writer = SessionWriter(tmp_path / "a.session", HEADER, CHUNK_ROWS)
    failures = []
    with files_limited_to(writer.bytes_written):
        for tick in range(20):
            try:
                writer.add(tick, 0, 0, [tick] * 3, [0, 0])
            except SessionError:
                failures.append(tick)
    assert failures == [3, 7, 11, 15, 19]
    assert writer.pending_rows == 20
    writer.close()
    assert read_session(tmp_path / "a.session").examples.ticks.tolist() == list(range(20))


def test_closing_on_a_full_disk_can_be_tried_again(tmp_path: Path) -> None:
    writer = SessionWriter(tmp_path / "a.session", HEADER)
    writer.extend(make_examples(3))
    with files_limited_to(writer.bytes_written), pytest.raises(SessionError):
        writer.close()
    writer.close()
    writer.close()
    assert len(read_session(tmp_path / "a.session").examples) == 3


def test_a_disk_that_is_full_from_the_start_leaves_no_file(tmp_path: Path) -> None:
    with files_limited_to(10), pytest.raises(SessionError, match="cannot be written"):
        SessionWriter(tmp_path / "a.session", HEADER)
    assert not (tmp_path / "a.session").exists()


def test_an_existing_session_is_never_overwritten(tmp_path: Path) -> None:
    before = record(tmp_path / "a.session", 3)
    with pytest.raises(SessionError, match="exists already"):
        SessionWriter(tmp_path / "a.session", HEADER)
    assert (tmp_path / "a.session").read_bytes() == before


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(SessionError, match=r"missing/a\.session' cannot be created .*choose a folder"):
        SessionWriter(tmp_path / "missing" / "a.session", HEADER)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(SessionError, match=r"'nowhere\.session' cannot be opened"):
        read_session("nowhere.session")


@pytest.mark.parametrize(
    ("observation", "target", "weight"),
    [
        ([1, 2], [0, 0], 1.0),
        ([1, 2, np.nan], [0, 0], 1.0),
        ([1, 2, 3], [0], 1.0),
        ([1, 2, 3], [0, np.inf], 1.0),
        ([1, 2, 3], [0, 0], -1.0),
        ([1, 2, 3], [0, 0], float("nan")),
    ],
)
def test_a_row_that_the_spec_does_not_allow_is_not_taken(
    tmp_path: Path, observation: list[float], target: list[float], weight: float
) -> None:
    writer = SessionWriter(tmp_path / "a.session", HEADER)
    with pytest.raises(ObservationError, match="agent 5"):
        writer.add(0, 5, 0, observation, target, weight)
    assert writer.pending_rows == 0
    writer.close()


def test_many_rows_of_another_width_or_with_unknown_classes_are_not_taken(tmp_path: Path) -> None:
    with SessionWriter(tmp_path / "a.session", HEADER) as writer:
        with pytest.raises(ObservationError, match=r"observations of shape \(2, 3\), they have \(2, 4\)"):
            writer.extend(make_examples(2, observations=np.zeros((2, 4), np.float32)))
        assert writer.pending_rows == 0
    with SessionWriter(tmp_path / "b.session", SessionHeader(CATEGORY_SPEC, "ann")) as writer:
        with pytest.raises(ObservationError, match="class 9"):
            writer.extend(make_examples(2, targets=np.full((2, 1), 9, np.float32)))
        assert writer.pending_rows == 0


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("agents", np.zeros(3, np.int32)),
        ("ticks", np.zeros(2, np.float32)),
        ("observations", np.zeros(2, np.float32)),
        ("observations", np.full((2, 3), np.nan, np.float32)),
        ("targets", np.full((2, 2), np.inf, np.float32)),
        ("weights", np.array([1, -1], np.float32)),
    ],
)
def test_examples_whose_columns_do_not_fit_are_refused_by_name(column: str, values: Any) -> None:
    with pytest.raises(SessionError, match=column.removesuffix("s")):
        make_examples(2, **{column: values})


def test_a_session_of_another_version_names_both_versions(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("adaptive_agents.formats.session.VERSION", 2)
    record(tmp_path / "a.session", 1)
    monkeypatch.undo()
    with pytest.raises(AdaptiveAgentsError, match=r"version 2, this addon reads .* version 1"):
        read_session(tmp_path / "a.session")
