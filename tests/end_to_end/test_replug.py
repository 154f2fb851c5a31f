"""A real agent and a modem that is unplugged, or speaks at another speed: how long until it sends again."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from shop import OWNER, Shop, slip

BOOT_S = 2.0


def ready(shop: Shop) -> bool:
    return bool(shop.json("status", code=None)["modems"][0]["ready"])


def test_a_replugged_modem_sends_within_three_seconds_of_its_own_start(
    tmp_path: Path, figure: Callable[[str], None]
) -> None:
    with Shop(tmp_path, ("owner",)) as shop:
        shop.start_modem("--boot-ms", str(int(BOOT_S * 1000)))
        shop.start_agent()
        shop.wait("the modem", lambda: ready(shop))
        shop.ask_modem(do="unplug")
        shop.wait(
            "the loss to be seen",
            lambda: shop.json("status", code=None)["modems"][0]["condition"] == "unplugged",
        )
        shop.line.write(slip("12.00", "000001"))
        time.sleep(3)
        shop.ask_modem(do="plug")
        began = time.monotonic()
        shop.wait("the text", lambda: any(each["ev"] == "sms" for each in shop.records()))
        back_s = time.monotonic() - began - BOOT_S
        figure(f"a replugged modem sent {back_s:.1f} s after its own start of {BOOT_S:g} s")
        assert back_s < 3
        sent = [each for each in shop.records() if each["ev"] == "sms" and each["to"] == OWNER]
        assert len(sent) == 1


@pytest.mark.parametrize("how", [("--baud", "9600"), ("--autobaud",)], ids=["another-speed", "autobaud"])
def test_a_modem_at_another_speed_is_found_through_a_real_port(tmp_path: Path, how: tuple[str, ...]) -> None:
    with Shop(tmp_path, ("owner",)) as shop:
        shop.start_modem(*how)
        shop.start_agent()
        deadline = time.monotonic() + 60
        while not ready(shop) and time.monotonic() < deadline:
            time.sleep(0.1)
        facts = shop.json("status", code=None)["modems"][0]
        assert facts["ready"], facts
        assert facts["baudrate"] == (9600 if "--baud" in how else 115200)
        shop.line.write(slip("12.00", "000001"))
        shop.wait("the text", lambda: any(each["ev"] == "sms" for each in shop.records()))
