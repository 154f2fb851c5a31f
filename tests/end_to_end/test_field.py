"""Failures that users of comparable software reported, brought about in a whole shop (see docs/field-reports.md)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from shop import Shop

_TEXTS = [f"Order {number} is ready" for number in range(6)]


def test_a_stick_that_goes_away_with_every_reset_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """It resets by itself behind the third text; its port is gone for a second and comes back as another device."""
    with Shop(tmp_path, ("owner",)) as shop:
        shop.start_modem("--reenumerates", "--boot-ms", "1000", "--fault", "reset:after=2,taken=true")
        shop.start_agent()
        before = shop.modem_port.resolve()
        for text in _TEXTS:
            shop.tillbell("send", "--config", str(shop.config), "--to", "owner", text)
        shop.wait("all texts", lambda: len(shop.texts()) >= len(_TEXTS))
        assert sorted(shop.texts()) == _TEXTS
        assert [record["ev"] for record in shop.records() if record["ev"] in ("unplugged", "plugged")] == [
            "unplugged",
            "plugged",
        ]
        assert shop.modem_port.resolve() != before


def test_a_service_centre_that_gets_lost_is_told_and_the_text_is_kept(tmp_path: Path) -> None:
    with Shop(tmp_path, ("owner",)) as shop:
        shop.start_modem()
        shop.start_agent()
        shop.tillbell("send", "--config", str(shop.config), "--to", "owner", "before")
        shop.wait("the first text", shop.texts)
        assert shop.ask_modem(do="sim", service_centre="")["ok"]
        shop.tillbell("send", "--config", str(shop.config), "--to", "owner", "after")
        shop.wait("the refusal", lambda: any(row["last_answer"] == "CMS 330" for row in shop.json("queue")))
        (kept,) = [row for row in shop.json("queue") if row["last_answer"] == "CMS 330"]
        assert kept["state"] == "queued"
        assert "330" in str(shop.json("status", code=1)["modems"])
        assert shop.texts() == ["before"]
