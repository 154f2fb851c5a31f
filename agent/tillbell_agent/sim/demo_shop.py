"""The demonstration's shop as its installer writes it down: who is told, where, and the configuration. Values only."""

import json
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

# Name → (number, format).
RECIPIENTS = {
    "owner": ("+8613800138000", "text"),
    "hq": ("+8613900139000", "sealed"),
    "accountant": ("+8613600136000", "armored"),
}
# What each recipient's program stands for, by format.
WHAT = {
    "text": "the merchant's phone",
    "sealed": "headquarters",
    "armored": "an accountant's phone with the reader",
}


def zone_far_from_midnight(now: datetime) -> str:
    """The shop's zone. Near its midnight the running total of the day would start again in mid-showing."""
    local = now.astimezone(ZoneInfo("Asia/Shanghai"))
    return "Asia/Shanghai" if 1 <= local.hour < 23 else "Asia/Tashkent"


def configuration(state: Path, zone: str, printer: Path, modem: Path) -> str:
    """The text of ``config.toml``."""
    head = f"""schema = 1
state_dir = {json.dumps(str(state))}

[device]
name = "till-1"
merchant = "老王面馆"
timezone = "{zone}"
currency = "CNY"
language = "zh"

[[source]]
name = "printer"
dialect = "escpos"
port = {json.dumps(str(printer))}
baudrate = 9600
encoding = "gb18030"

[[modem]]
name = "sim1"
port = {json.dumps(str(modem))}
"""
    recipients = (
        f'\n[[recipient]]\nname = "{name}"\nphone = "{phone}"\nformat = "{fmt}"\n'
        for name, (phone, fmt) in RECIPIENTS.items()
    )
    return head + "".join(recipients)
