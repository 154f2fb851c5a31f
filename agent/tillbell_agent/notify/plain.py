"""Free words to a recipient: a technician's test, or what a person typed. No check code, never a card number."""

import unicodedata
from datetime import datetime

from tillbell_agent.notify.alphabet import to_gsm7
from tillbell_protocol.pan import scrub

_TEST = {
    "en": "{merchant}: test text from Tillbell device {device}, {when:%H:%M}. Nothing was sold.",
    "zh": "【{merchant}】Tillbell测试短信,设备{device},{when:%H:%M},并无交易。",
}


def render_plain(text: str, language: str) -> str:
    """``text`` as it will be transmitted. May take several segments; line breaks stay, other controls go."""
    composed = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    seen = "".join(c for c in composed if c == "\n" or unicodedata.category(c) not in ("Cc", "Cs"))
    return scrub(to_gsm7(seen) if language == "en" else seen)


def render_test(merchant: str, device: str, language: str, when: datetime) -> str:
    """The text of ``tillbell send-test``: says that it is a test and that nothing was sold."""
    return render_plain(_TEST[language].format(merchant=merchant, device=device, when=when), language)
