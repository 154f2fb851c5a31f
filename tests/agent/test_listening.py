"""A terminal's line on a real pseudo-terminal: heard, never written to, and nothing that waits in it is thrown away."""

import io
import os
import pty
import sys
import tty
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from till import Till, moment, sale

from tillbell_agent.listening import Listener
from tillbell_agent.moment import Moment
from tillbell_agent.pos.dialect import Desynced, Dialect, DialectEvent, Ignored, TransactionCompleted
from tillbell_agent.pos.dialect import Line as WireLine
from tillbell_agent.pos.escpos import EscPos
from tillbell_agent.pos.partial_time import PartialTime
from tillbell_agent.pos.registry import DialectSettings, make_dialect
from tillbell_agent.shell.log import Log
from tillbell_agent.shell.ports import LineSettings, ListenPort, PortError, TalkPort
from tillbell_protocol.event import Kind, Transaction


class Cable:
    """A pseudo-terminal; ``near`` is the terminal's end."""

    def __init__(self) -> None:
        self.near, self.far = pty.openpty()
        tty.setraw(self.far)
        self.path = os.ttyname(self.far)
        os.set_blocking(self.near, False)

    def pull(self) -> None:
        for descriptor in (self.near, self.far):
            os.close(descriptor)
        self.near = self.far = -1


@pytest.fixture
def cable() -> Iterator[Cable]:
    cable = Cable()
    yield cable
    if cable.near >= 0:
        cable.pull()


def test_a_line_that_is_listened_to_has_no_way_to_be_written_to() -> None:
    assert not hasattr(ListenPort, "write")


def test_what_waits_in_the_port_when_it_is_opened_is_heard(cable: Cable) -> None:
    os.write(cable.near, b"a sale that came before")
    port = ListenPort(LineSettings(cable.path))
    assert port.read() == b"a sale that came before"
    assert port.read() == b""
    port.close()


def test_hearing_sends_nothing_back(cable: Cable) -> None:
    port = ListenPort(LineSettings(cable.path))
    os.write(cable.near, b"\x10\x04\x01 status? \r\n\x1b@")
    port.read()
    port.close()
    with pytest.raises(BlockingIOError):
        os.read(cable.near, 1)


def test_every_octet_passes_as_it_is(cable: Cable) -> None:
    port = ListenPort(LineSettings(cable.path))
    octets = bytes(range(256)) * 3
    os.write(cable.near, octets)
    heard = b""
    while len(heard) < len(octets):
        heard += port.read()
    assert heard == octets
    port.close()


def test_a_pulled_cable_is_an_error_that_names_the_port(cable: Cable) -> None:
    port = ListenPort(LineSettings(cable.path))
    cable.pull()
    with pytest.raises(PortError, match=r"/dev/pts/\d+: .* unplugged\?"):
        port.read()
    port.close()


def test_a_missing_port_a_taken_port_and_a_file_are_said_each_in_its_way(
    cable: Cable, tmp_path: Path
) -> None:
    with pytest.raises(PortError, match="no such port"):
        ListenPort(LineSettings(str(tmp_path / "none")))
    first = TalkPort(LineSettings(cable.path))
    with pytest.raises(PortError, match="another program holds it"):
        TalkPort(LineSettings(cable.path))
    first.close()
    (tmp_path / "file").touch()
    with pytest.raises(PortError, match="file"):
        ListenPort(LineSettings(str(tmp_path / "file")))


def test_a_closed_port_is_free_though_a_child_that_has_not_begun_its_program_has_it_still(
    cable: Cable,
) -> None:
    first = TalkPort(LineSettings(cable.path))
    of_the_child = os.dup(first.fileno())  # as a fork leaves it
    first.close()
    first.close()
    TalkPort(LineSettings(cable.path)).close()
    os.close(of_the_child)


def test_a_modems_port_writes_what_fits_and_says_how_much(cable: Cable) -> None:
    port = TalkPort(LineSettings(cable.path))
    written = port.write(b"x" * 100_000)
    assert 0 < written < 100_000
    for _ in range(1000):  # the kernel moves what it took in the background
        if port.write(b"y" * 1000) == 0:
            break
    else:
        pytest.fail("a line that nobody reads took a million octets")
    os.read(cable.near, 4096)
    port.close()


def test_a_listener_looks_for_a_lost_port_after_a_pause_and_says_its_trouble_once(tmp_path: Path) -> None:
    till, said, tries = Till(tmp_path / "state", ("owner",)), io.StringIO(), []

    def open_port(_path: str) -> ListenPort:
        tries.append(1)
        raise PortError("/dev/x: no such port: is the adapter plugged in?")

    dialect = make_dialect("escpos", DialectSettings())
    listener = Listener(till.config.sources[0], "CNY", dialect, till.register, open_port, Log(said))
    now = 0.0
    listener.open(now)
    for _ in range(20):
        now = listener.next_deadline() or pytest.fail("it gave up")
        listener.tick(now, moment(now))
    assert len(tries) == 21
    assert 60 < now < 120
    assert said.getvalue().count("source_closed") == 1
    assert not listener.wants_to_write


def test_receipts_that_are_never_understood_are_a_suspicion_until_one_is(
    cable: Cable, tmp_path: Path
) -> None:
    till, said = Till(tmp_path / "state", ("owner",)), io.StringIO()
    dialect = make_dialect("escpos", DialectSettings(encoding="cp437"))  # the printer speaks GB18030
    line = LineSettings(cable.path)
    listener = Listener(
        till.config.sources[0], "CNY", dialect, till.register, lambda _path: ListenPort(line), Log(said)
    )
    listener.open(0.0)

    def hear(text: str) -> None:
        os.write(cable.near, b"\x1b@" + text.encode("gb18030") + b"\x1dV\x00")
        listener.readable(listener.lines[0], 0.0, moment(0.0))

    for number in range(4):
        hear(f"幸福超市\n应收 {number}\n")
    assert listener.telling.suspicion is None
    hear("幸福超市\n应收 5\n")
    assert listener.telling.suspicion is not None
    assert "encoding" in listener.telling.suspicion
    hear("幸福超市\n应收 6\n")
    assert said.getvalue().count("source_suspicious") == 1
    hear("MARKET\nTOTAL 14.25\n")
    assert listener.telling.suspicion is None
    listener.close(0.0, moment(0.0))


class Scripted:
    """A dialect that says what it is told to."""

    def __init__(self) -> None:
        self.says: list[DialectEvent] = []

    def receive_data(self, data: bytes, now: float, line: WireLine = WireLine.TERMINAL) -> list[DialectEvent]:
        return []

    def next_deadline(self) -> float | None:
        return None

    def tick(self, now: float) -> list[DialectEvent]:
        said, self.says = self.says, []
        return said

    def close(self, now: float) -> list[DialectEvent]:
        return []


def no_port(_path: str) -> ListenPort:
    raise PortError("/dev/x: no such port")


@pytest.fixture
def scripted(tmp_path: Path) -> tuple[Till, Scripted, Listener, io.StringIO]:
    till, dialect, said = Till(tmp_path / "state", ("owner",)), Scripted(), io.StringIO()
    listener = Listener(till.config.sources[0], "CNY", dialect, till.register, no_port, Log(said))
    return till, dialect, listener, said


def test_what_needs_no_disk_pushes_no_sale_out_while_the_disk_refuses(
    scripted: tuple[Till, Scripted, Listener, io.StringIO],
) -> None:
    till, dialect, listener, _ = scripted
    till.register.connection.execute(
        "CREATE TEMP TRIGGER full BEFORE INSERT ON ledger BEGIN SELECT RAISE(ABORT, 'disk full'); END"
    )
    for number in range(2):
        dialect.says = [
            sale(100 + number, f"{number:06d}"),
            *[Desynced(1, "noise"), Ignored("order ticket")] * 1000,
        ]
        listener.tick(0.1 * number, moment())
    assert (listener.telling.pending, listener.telling.counts["lost"]) == (2, 0)
    assert (listener.telling.counts["skipped_octets"], listener.telling.counts["ignored"]) == (2000, 2000)
    till.register.connection.execute("DROP TRIGGER full")
    listener.tick(5.0, moment())
    assert [entry.transaction.amount_minor for entry in till.register.ledger.recent(9)] == [101, 100]


def test_a_line_on_which_everything_is_ignored_is_a_suspicion_that_names_why(
    scripted: tuple[Till, Scripted, Listener, io.StringIO],
) -> None:
    _, dialect, listener, said = scripted
    dialect.says = [Ignored("order ticket")] * 29
    listener.tick(0.0, moment())
    assert listener.telling.suspicion is None
    dialect.says = [Ignored("order ticket")] * 2
    listener.tick(0.0, moment())
    assert listener.telling.suspicion is not None
    assert (
        "31 receipts in a row that are no sale, the last one because: order ticket"
        in listener.telling.suspicion
    )
    assert said.getvalue().count("source_suspicious") == 1
    dialect.says = [sale()]
    listener.tick(0.0, moment())
    assert listener.telling.suspicion is None


def test_what_the_disk_did_not_take_before_the_end_is_said_to_be_lost(cable: Cable, tmp_path: Path) -> None:
    till, said = Till(tmp_path / "state", ("owner",)), io.StringIO()
    line = LineSettings(cable.path)
    dialect = make_dialect("escpos", DialectSettings())
    listener = Listener(
        till.config.sources[0], "CNY", dialect, till.register, lambda _path: ListenPort(line), Log(said)
    )
    listener.open(0.0)
    till.register.connection.execute(
        "CREATE TEMP TRIGGER full BEFORE INSERT ON ledger BEGIN SELECT RAISE(ABORT, 'disk full'); END"
    )
    os.write(cable.near, b"\x1b@MARKET\nTOTAL 14.25\n\x1dV\x00")
    listener.readable(listener.lines[0], 0.0, moment(0.0))
    assert listener.telling.pending == 1
    listener.close(0.0, moment(0.0))
    assert "event_lost source=printer number=1" in said.getvalue()
    assert listener.telling.counts["lost"] == 1


class Plugs:
    """Ports that give octets once and are then pulled; ``open`` plugs the next one in."""

    def __init__(self, *octets: bytes) -> None:
        self._octets = list(octets)

    def open(self, _path: str) -> "Plugs":
        return self

    def fileno(self) -> int:
        return -1

    def read(self) -> bytes:
        octets, self._octets[0] = self._octets[0], b""
        if not octets:
            del self._octets[0]
            raise PortError("/dev/x: unplugged")
        return octets

    def close(self) -> None: ...


def slip(copy: str) -> bytes:
    """A slip in the order that terminals print: numbers first, the amount last."""
    text = (
        f"老王面馆\n{copy}\n终端编号:12345678\n批次号:000003\n凭证号:000012\n交易类型:消费\n卡号:622576******6691\n"
        "参考号:103015000012\n日期时间:2026/11/21 12:00:01\n金额:RMB 126.50\n谢谢惠顾\n"
    )
    return b"\x1b@" + text.encode("gb18030") + b"\x1dV\x00"


def test_a_cable_pulled_in_a_second_copy_and_plugged_in_again_tells_no_second_sale(tmp_path: Path) -> None:
    """Wherever it is pulled: the rest is told as another only where not even a number or time stands in it."""
    till = Till(tmp_path / "state", ("owner",))
    source, second = till.config.sources[0], slip("持卡人存根")
    numbers_end = second.index("\n日期时间".encode("gb18030"))  # the first line heard again is never read
    told_again = []
    for cut in range(3, len(second) - 3):
        till.register.connection.execute("DELETE FROM heard")
        till.register.connection.execute("DELETE FROM ledger")
        plugs = Plugs(slip("商户存根") + second[:cut], second[cut:])
        listener = Listener(
            source, "CNY", EscPos(DialectSettings()), till.register, plugs.open, Log(io.StringIO())
        )
        listener.open(0.0)
        listener.readable(listener.lines[0], 0.0, moment(0.0))
        listener.readable(listener.lines[0], 1.0, moment(1.0))
        assert listener.lines[0].port is None
        listener.tick(3.0, moment(3.0))
        listener.readable(listener.lines[0], 3.0, moment(3.0))
        listener.tick(9.0, moment(9.0))
        entries = till.register.ledger.recent(9)
        assert {entry.transaction.amount_minor for entry in entries} == {12650}, cut
        told_again += [cut] * (len(entries) > 1)
    assert all(cut >= numbers_end for cut in told_again), told_again


# Two lines.


class Told:
    """A dialect that says whose octets it got."""

    def __init__(self, *events: DialectEvent) -> None:
        self.heard: list[object] = []
        self.events = list(events)

    def receive_data(self, data: bytes, now: float, line: WireLine = WireLine.TERMINAL) -> list[DialectEvent]:
        self.heard.append((line, data))
        events, self.events = self.events, []
        return events

    def next_deadline(self) -> float | None:
        return None

    def tick(self, now: float) -> list[DialectEvent]:
        return []

    def unpair(self) -> None:
        self.heard.append("unpaired")

    def close(self, now: float) -> list[DialectEvent]:
        return []


def two_lines(till: Till, dialect: Dialect, said: io.StringIO, ports: dict[str, Plugs]) -> Listener:
    source = replace(
        till.config.sources[0], dialect="hypercom", port="", port_terminal="/dev/a", port_till="/dev/b"
    )
    listener = Listener(source, "CNY", dialect, till.register, lambda path: ports[path].open(path), Log(said))
    listener.open(0.0)
    return listener


def test_each_of_two_lines_is_told_apart_and_one_that_is_pulled_leaves_the_other(tmp_path: Path) -> None:
    till, dialect, said = Till(tmp_path), Told(), io.StringIO()
    ports = {"/dev/a": Plugs(b"answer"), "/dev/b": Plugs(b"request")}
    listener = two_lines(till, dialect, said, ports)
    assert listener.where == "/dev/b and /dev/a"
    for line in listener.lines:
        listener.readable(line, 0.0, moment(0.0))
    assert dialect.heard == [(WireLine.TILL, b"request"), (WireLine.TERMINAL, b"answer")]
    asks, answers = listener.lines
    listener.readable(asks, 1.0, moment(1.0))  # nothing more: it is pulled
    assert asks.port is None
    assert answers.port is not None
    assert "port=/dev/b" in said.getvalue()


def test_a_time_without_a_year_gets_the_year_in_which_it_came(tmp_path: Path) -> None:
    told = TransactionCompleted(
        Transaction(Kind.SALE, 1250, receipt_no="0470"), "a", clock=PartialTime(12, 31, 23, 59)
    )
    till, dialect = Till(tmp_path), Told(told)
    ports = {"/dev/a": Plugs(b"answer"), "/dev/b": Plugs(b"")}
    listener = two_lines(till, dialect, io.StringIO(), ports)
    new_year = Moment.at(datetime(2027, 1, 1, 0, 1, tzinfo=UTC).timestamp(), UTC)
    listener.readable(listener.lines[1], 0.0, new_year)
    (entry,) = till.register.ledger.recent(5)
    assert entry.transaction.terminal_time == datetime(2026, 12, 31, 23, 59)


def test_after_a_long_turn_no_request_is_paired_with_an_answer(tmp_path: Path) -> None:
    till, dialect = Till(tmp_path), Told()
    listener = two_lines(
        till, dialect, io.StringIO(), {"/dev/a": Plugs(b"answer"), "/dev/b": Plugs(b"request")}
    )
    listener.order_unknown = True
    for line in listener.lines:
        listener.readable(line, 0.0, moment(0.0))
    assert dialect.heard == [
        (WireLine.TILL, b"request"),
        "unpaired",
        (WireLine.TERMINAL, b"answer"),
        "unpaired",
    ]
