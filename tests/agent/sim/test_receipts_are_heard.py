"""What the simulated terminal says it printed is what the dialect hears: neither side was made from the other."""

from datetime import datetime
from itertools import islice

import pytest

from tillbell_agent.pos.dialect import TransactionCompleted
from tillbell_agent.pos.registry import DialectSettings, make_dialect
from tillbell_agent.sim.receipts import receipts
from tillbell_protocol.event import Transaction

START = datetime(2026, 11, 21, 9, 0)


@pytest.mark.parametrize("chunk", [1, 7, 4096])
@pytest.mark.parametrize(
    ("seed", "currency", "encoding"),
    [(1, "CNY", "gb18030"), (2, "CNY", "utf-8"), (3, "JPY", "gb18030"), (4, "USD", "gb18030")],
)
def test_every_receipt_gives_what_it_promises_in_any_chunks(
    seed: int, currency: str, encoding: str, chunk: int
) -> None:
    dialect = make_dialect("escpos", DialectSettings(encoding=encoding, currency=currency))
    now = 0.0
    for receipt in islice(receipts(seed, start=START, currency=currency, encoding=encoding), 40):
        events = []
        for start in range(0, len(receipt.octets), chunk):
            now += 0.001
            events += dialect.receive_data(receipt.octets[start : start + chunk], now)
        now += 60
        events += dialect.tick(now)
        heard: dict[str | None, Transaction] = {}
        for event in events:
            if isinstance(event, TransactionCompleted):
                assert heard.setdefault(event.key, event.transaction) == event.transaction
        expected = [] if receipt.expected is None else [receipt.expected]
        assert list(heard.values()) == expected, receipt.note
