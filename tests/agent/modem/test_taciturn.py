"""Modems that answer little: what they do not tell is unknown, and no reason not to try."""

from collections.abc import Callable

import pytest

from tillbell_agent.modem.events import ModemEvent, Ready, SegmentPrompted, SegmentSent
from tillbell_agent.modem.session import Session

TPDU = bytes.fromhex("21000b913108108300f0000004d4f29c0e")


def only_ok(line: str) -> bytes:
    return b"\r\n+CPIN: READY\r\n\r\nOK\r\n" if line == "AT+CPIN?" else b"\r\nOK\r\n"


def hardly_anything(line: str) -> bytes:
    known = line in {"AT", "ATE0", "AT+CMGF=0", "AT+CPIN?"}
    return only_ok(line) if known else b"\r\nERROR\r\n"


def talk(session: Session, answer: Callable[[str], bytes], now: float) -> list[ModemEvent]:
    """Answer whatever the session says, until it has nothing to say."""
    events: list[ModemEvent] = []
    while octets := session.bytes_to_send():
        for line in octets.decode("latin-1").split("\r"):
            if line.startswith("AT+CMGS="):
                events += session.receive_data(b"\r\n> ", now)
            elif line.endswith("\x1a"):
                events += session.receive_data(b"\r\n+CMGS: 7\r\n\r\nOK\r\n", now)
            elif line.startswith("AT"):
                events += session.receive_data(answer(line), now)
    return events


@pytest.mark.parametrize("answer", [only_ok, hardly_anything])
def test_a_modem_that_tells_no_registration_is_tried_all_the_same(answer: Callable[[str], bytes]) -> None:
    now, events = 0.0, list[ModemEvent]()
    session = Session(now)
    while now < 30 and not session.ready:
        events += talk(session, answer, now)
        if not session.ready:
            now = max(session.next_deadline() or now, now + 0.01)
            events += session.tick(now)
    assert any(isinstance(event, Ready) for event in events)
    session.send(1, TPDU, now)
    assert SegmentPrompted(1) in talk(session, answer, now)
    session.hand_over(now)
    assert SegmentSent(1, 7) in talk(session, answer, now)
