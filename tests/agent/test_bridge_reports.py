"""What ``status``, ``doctor`` and ``check`` say of a firmware bridge, and the runner with one."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from bridged import KEY, Bridged, receipt
from till import moment

from tillbell_agent.cli import main, status
from tillbell_agent.config import BridgeConfig
from tillbell_agent.control_verbs import Verbs
from tillbell_agent.doctor import Evidence, examine
from tillbell_agent.doctor_bridge import check_bridge
from tillbell_agent.finding import FAIL, OK, WARN
from tillbell_agent.pos.dialect import Line
from tillbell_agent.shell.guard import GuardFile
from tillbell_agent.shell.holders import PortFacts
from tillbell_agent.shell.watching import Watched

BRIDGE = BridgeConfig("tap", "/dev/nowhere-bridge", Path("tap.key"))
WELL = (OK, "port /dev/nowhere-bridge is there, nobody else holds it", None)


@pytest.fixture
def shop(tmp_path: Path) -> Bridged:
    shop = Bridged(tmp_path / "state")
    shop.says(receipt("12.50"), 1.0)
    shop.run(5)
    return shop


def answered(shop: Bridged) -> dict[str, Any]:
    guard = GuardFile(shop.config.guard_path)
    verbs = Verbs(shop.config, [], shop.agent.bridges, [], shop.agent.register, guard, shop)
    told = verbs.answer({"do": "status"})
    assert json.loads(json.dumps(told)) == told
    return told


def test_status_tells_who_the_bridge_is_and_how_far_it_was_heard(shop: Bridged) -> None:
    told = answered(shop)
    (bridge,), (source,) = told["bridges"], told["sources"]
    assert (bridge["board"], bridge["unique_id"], bridge["firmware"]) == ("pico", "e661", "0.1.0")
    assert (bridge["reset_cause"], bridge["boot"], bridge["connected"]) == ("power", 1, True)
    assert (bridge["chunks"], bridge["taken"], bridge["durable"], bridge["lost"]) == (1, 1, 1, 0)
    assert bridge["counters"]["lost"] == 0
    assert (source["port"], source["open"], source["told"]) == ("bridge:tap/1", True, 1)
    shown = "\n".join(status._lines(told))
    assert "source printer (bridge:tap/1): open; 1 told" in shown
    assert re.search(
        r"bridge tap \(/dev/nowhere-bridge\): connected for \d s; pico e661, firmware 0.1.0, start 1 \(power\)",
        shown,
    )
    assert "1 chunks heard, 1 of 1 durable, 0 held there" in shown
    assert status._is_well(told)


def test_status_says_why_a_bridge_is_away_and_that_its_terminals_are_not_heard(shop: Bridged) -> None:
    shop.pull()
    shop.run(3)
    told = answered(shop)
    assert not status._is_well(told)
    (source,) = told["sources"]
    assert not source["open"]
    shown = "\n".join(status._lines(told))
    assert "AWAY for" in shown
    assert "no such port: is the adapter plugged in?" in shown


def test_nothing_that_a_terminal_says_stands_in_the_log(shop: Bridged) -> None:
    shop.says(b"4111111111111111", 0.1, Line.TILL)
    shop.pull()
    shop.run(1)
    shop.plug()
    shop.run(10)
    said = shop.said.getvalue()
    assert (
        "bridge_connected bridge=tap board=pico unique_id=e661 firmware=0.1.0 reset_cause=power boot=1"
        in said
    )
    assert said.count("bridge_closed") == 1
    assert "bridge_gone" in said
    assert not any(word in said for word in ("MARKET", "12.50", "4111"))


def facts(shop: Bridged, **more: Any) -> dict[str, Any]:
    return shop.facts() | more


def test_the_doctor_finds_what_is_wrong_with_a_bridge(shop: Bridged) -> None:
    assert check_bridge(BRIDGE, facts(shop), WELL, None).level == OK
    away = facts(shop, connected=False, trouble="no bridge answers with this key")
    broken = (FAIL, "port /dev/nowhere-bridge is not there: gone", "Plug it in")
    cases: list[tuple[Any, Any, str | None, str, str, str]] = [
        (away, WELL, None, FAIL, "no bridge answers with this key", "tillbell flash"),
        (away, broken, None, FAIL, "is not there: gone", "Plug it in"),
        (facts(shop, lost=3), WELL, None, FAIL, "3 chunks are lost", "tillbell txn"),
        (facts(shop, counters={"lost": 2}), WELL, None, FAIL, "for 2 it had no room", "tillbell txn"),
        (facts(shop, overruns=4), WELL, None, WARN, "lost octets 4 times", "baudrate"),
        (facts(shop, store_trouble="disk full"), WELL, None, FAIL, "the disk refuses", "state directory"),
        (facts(shop), WELL, "tap.key can be read by others", FAIL, "the next start fails", "tillbell flash"),
        (None, broken, None, FAIL, "was not asked", "Plug it in"),
    ]
    for told, port, key_trouble, level, words, step in cases:
        check = check_bridge(BRIDGE, told, port, key_trouble)
        assert (check.name, check.level) == ("bridge tap", level)
        assert words in check.evidence
        assert step in (check.next_action or "")


def test_the_doctor_looks_at_the_bridges_port_and_not_at_a_channels_name(shop: Bridged) -> None:
    evidence = Evidence(
        "config.toml", moment(), config=shop.config, status=answered(shop),
        ports={"/dev/nowhere-bridge": PortFacts()}, key_troubles={},
    )  # fmt: skip
    found = {check.name: check for check in examine(evidence) if check.name.startswith(("source", "bridge"))}
    assert {name: check.level for name, check in found.items()} == {"source printer": OK, "bridge tap": OK}
    shop.pull()
    shop.run(1)
    found = {
        check.name: check
        for check in examine(Evidence("c", moment(), config=shop.config, status=answered(shop)))
    }
    assert found["source printer"].next_action == "See bridge tap"


def test_check_looks_for_the_key_the_port_and_who_listens(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (
        f'schema = 1\nstate_dir = "{tmp_path / "state"}"\n'
        '[device]\nname = "till-1"\nmerchant = "X"\ntimezone = "Asia/Shanghai"\ncurrency = "CNY"\nlanguage = "zh"\n'
        '[[bridge]]\nname = "tap"\nport = "/dev/null"\nkey_file = "tap.key"\n'
    )
    config = tmp_path / "config.toml"
    config.write_text(text, "utf-8")

    def found() -> dict[str, list[tuple[str, str]]]:
        main(["check", "--config", str(config), "--json"])
        rows: dict[str, list[tuple[str, str]]] = {}
        for finding in json.loads(capsys.readouterr().out)["findings"]:
            rows.setdefault(finding["about"], []).append((finding["level"], finding["message"]))
        return rows

    rows = found()
    assert rows["key_file"][0][0] == "fail"
    assert "tillbell flash" in rows["key_file"][0][1]
    assert any("no [[source]] listens to it" in why for level, why in rows['bridge "tap"'] if level == "warn")
    (tmp_path / "tap.key").write_text(KEY.hex())
    (tmp_path / "tap.key").chmod(0o600)
    config.write_text(text + '[[source]]\nname = "p"\ndialect = "escpos"\nport = "bridge:tap/1"\n', "utf-8")
    rows = found()
    assert rows["key_file"] == [("ok", str(tmp_path / "tap.key"))]
    assert [level for level, _ in rows['bridge "tap"']] == ["ok"]
    assert 'source "p"' not in rows


class Waiter:
    """Hands the runner the bridge's port when it has octets."""

    def __init__(self, shop: Bridged) -> None:
        self.shop = shop

    def wait(self, wanted: list[Watched], timeout_s: float | None) -> list[Watched]:
        self.shop.now += min(0.02, timeout_s if timeout_s is not None else 0.02)
        self.shop.board_alone()
        self.shop.carry(self.shop.board.session.bytes_to_send(), to_agent=True)
        self.shop.hand_over()
        port = self.shop.port
        return [each for each in wanted if each.owner is port and port is not None and port.inbox]


def test_the_runner_serves_a_bridge_as_its_other_lines(tmp_path: Path) -> None:
    shop, said_ready = Bridged(tmp_path / "state"), []
    shop.ready = lambda: said_ready.append(shop.now)  # type: ignore[method-assign]
    shop.kill_agent()
    shop.waiter = Waiter(shop)
    shop.start_agent(opened=False)
    shop.agent.runner.start()
    assert said_ready, "every source's bridge is open"
    shop.says(receipt("12.50"), 1.0)
    for _ in range(300):
        shop.agent.runner.turn()
    assert shop.amounts() == [1250]
    assert shop.board.store.held == 0
