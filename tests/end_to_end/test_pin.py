"""A wrong PIN on disk must not burn the SIM's tries, however often the agent is started."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from shop import Shop


def _pins_tried(shop: Shop) -> list[str]:
    return [
        each["line"] for each in shop.records() if each["ev"] == "cmd" and each["line"].startswith("AT+CPIN=")
    ]


def test_refused_pin_is_tried_once_over_all_starts(tmp_path: Path) -> None:
    pin_file = tmp_path / "pin"
    pin_file.write_text("0000\n")
    pin_file.chmod(0o600)
    with Shop(tmp_path, ("owner",)) as shop:
        shop.config.write_text(
            shop.config.read_text("utf-8").replace(
                'name = "sim1"', f'name = "sim1"\npin_file = "{pin_file}"'
            ),
            "utf-8",
        )
        shop.start_modem("--pin", "4711")
        for _ in range(3):
            shop.start_agent()
            shop.wait(
                "the agent to speak of the PIN",
                lambda: "PIN" in shop.json("status", code=1)["modems"][0]["doing"],
            )
            shop.stop_agent()
        assert len(_pins_tried(shop)) == 1
        assert "the configured PIN was refused before and is not tried again" in shop.agent_said()
        pin_file.write_text("4711\n")  # as status says: put it right and start again
        shop.start_agent()
        shop.wait("the modem to be ready", lambda: shop.json("status", code=None)["modems"][0]["ready"])
        assert len(_pins_tried(shop)) == 2
