"""The locked files that show which participants of a file are alive."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from budgets import LEASE, ONE, UNCERTAIN, Budget, Clock

from bitget_spot.rate_limit import SQLiteStore, liveness
from bitget_spot.rate_limit.liveness import LivenessFile
from bitget_spot.rate_limit.policy import IN_FLIGHT_GRACE, PERIOD_MARGIN

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="on Windows, an open file cannot be removed, and * cannot be part of its name"
)
NewFile = Callable[[str], LivenessFile]


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    """Return the path of a store, with characters in its name that mean something in a pattern."""
    return tmp_path / "permits[1]*.sqlite"


@pytest.fixture
def new_file(store_path: Path) -> Iterator[NewFile]:
    """Return a function that returns the file of a participant, not held yet."""
    files = []

    def new(participant: str) -> LivenessFile:
        files.append(LivenessFile(store_path, participant))
        return files[-1]

    yield new
    for file in files:
        file.release()


def names_in(path: Path) -> list[str]:
    """Return the names of the files in a directory."""
    return sorted(each.name for each in path.iterdir())


def test_living_participant(new_file: NewFile) -> None:
    """A participant that holds its file is not dead."""
    new_file("one").hold("")
    assert not new_file("two").is_dead("one")


def test_dead_participant(new_file: NewFile) -> None:
    """A participant whose file is not locked any more is dead, whoever asks and however often."""
    one = new_file("one")
    one.hold("")
    one.close()  # as the system does when a process ends
    assert [new_file("two").is_dead("one") for _ in range(2)] == [True, True]


def test_released_participant(new_file: NewFile, tmp_path: Path) -> None:
    """A participant that has released its file leaves nothing behind, and does not count as dead."""
    one = new_file("one")
    one.hold("")
    one.release()
    assert not new_file("two").is_dead("one")
    assert names_in(tmp_path) == []
    one.hold("")
    assert names_in(tmp_path) == ["permits[1]*.sqlite.one.lock"]


def test_file_is_removed_before_it_is_unlocked(new_file: NewFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a file is released, the participant does not count as dead: its requests may be in flight."""
    one = new_file("one")
    one.hold("")
    two = new_file("two")
    dead: list[bool] = []
    close = one.close

    def close_and_look() -> None:
        close()
        dead.append(two.is_dead("one"))

    monkeypatch.setattr(one, "close", close_and_look)
    one.release()
    assert dead == [False]


def test_files_of_the_dead(new_file: NewFile, tmp_path: Path) -> None:
    """A file is removed if its participant is dead and no state contains it; others need it to see that it is dead."""
    for participant in ("alive", "dead", "mentioned"):
        new_file(participant).hold("alive dead mentioned")
    for name in ("permits[1]*.sqlite.dead.lock", "permits[1]*.sqlite.mentioned.lock"):
        (tmp_path / name).unlink()
        (tmp_path / name).touch()
    (tmp_path / "permits1x.sqlite.other.lock").touch()
    new_file("new").hold('{"permits": {"mentioned:1": {}}}')
    assert names_in(tmp_path) == [
        "permits1x.sqlite.other.lock",
        "permits[1]*.sqlite.alive.lock",
        "permits[1]*.sqlite.mentioned.lock",
        "permits[1]*.sqlite.new.lock",
    ]


def test_file_that_is_removed_before_it_is_locked(
    new_file: NewFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that another participant removes before it is locked, because it seems to be a dead one's, is created again."""
    try_lock = liveness._try_lock
    path = tmp_path / "permits[1]*.sqlite.one.lock"
    removals = [path, path]

    def remove_and_lock(descriptor: int) -> bool:
        if removals:
            removals.pop().unlink()
        return try_lock(descriptor)

    monkeypatch.setattr(liveness, "_try_lock", remove_and_lock)
    one = new_file("one")
    one.hold("")
    assert names_in(tmp_path) == [path.name]
    assert not new_file("two").is_dead("one")
    one.close()
    assert new_file("two").is_dead("one")


def test_file_that_cannot_be_locked(new_file: NewFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A participant that cannot lock its file has none, so it does not count as dead."""
    monkeypatch.setattr(liveness, "_try_lock", lambda _: False)
    new_file("one").hold("")
    assert names_in(tmp_path) == []
    monkeypatch.undo()
    assert not new_file("two").is_dead("one")


def test_file_that_cannot_be_created(tmp_path: Path) -> None:
    """A participant that cannot create its file has none; nothing is raised."""
    LivenessFile(tmp_path / "no such directory" / "permits.sqlite", "one").hold("")


def test_participant_that_died_with_requests_in_several_budgets(tmp_path: Path) -> None:
    """Its permits are available as soon as no request can arrive any more, in each budget, whoever starts in between."""
    clock = Clock()
    path = tmp_path / "permits.sqlite"
    with SQLiteStore(path, clock=clock) as dead, SQLiteStore(path, clock=clock) as store:
        for name in ("first", "second", "third"):
            assert Budget(dead, "threads", name, ONE).acquire("in flight") == 0.0
        dead._database.liveness.close()  # as the system does when a process ends
        with SQLiteStore(path, clock=clock) as other:
            budgets = [Budget(each, "threads", name, ONE) for each, name in ((store, "first"), (other, "second"))]
            for budget in budgets:
                assert budget.acquire("next") > 0
            clock.now += 1.0 + PERIOD_MARGIN + IN_FLIGHT_GRACE - 0.001
            for budget in budgets:
                assert budget.acquire("next") > 0
            clock.now += 0.001
            for budget in budgets:
                assert budget.acquire("next") == 0.0
        # Nobody has asked for a permit of this budget yet.
        assert Budget(store, "threads", "third", ONE).acquire("next") > 0


def test_closed_store_is_not_dead(tmp_path: Path) -> None:
    """A store that is closed while its requests are in flight keeps their permits."""
    clock = Clock()
    path = tmp_path / "permits.sqlite"
    with SQLiteStore(path, clock=clock) as closed, SQLiteStore(path, clock=clock) as store:
        budget = Budget(closed, "threads", "mine", ONE)
        assert budget.acquire("in flight") == 0.0
        closed.close()
        clock.now += LEASE - 1.0
        assert Budget(store, "threads", "mine", ONE).acquire("next") > 0
        budget.release("in flight", UNCERTAIN)
        clock.now += 1.0 + PERIOD_MARGIN + IN_FLIGHT_GRACE
        assert Budget(store, "threads", "mine", ONE).acquire("next") == 0.0
