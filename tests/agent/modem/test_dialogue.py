"""The dialogue octet by octet: scripts of what comes, when, and what is written."""

import pytest

from tillbell_agent.modem.commands import Attention, Identify, ListMessages, ReadStorages, SendPdu
from tillbell_agent.modem.dialogue import (
    MAX_ANSWER_LINES,
    SYNC_TRIES,
    Answered,
    Dialogue,
    NoAnswer,
    Phase,
    Prompted,
    Stray,
    Synchronised,
    TimedOut,
    UrcHeard,
)
from tillbell_agent.modem.digest import FinalResult

OK = FinalResult("OK", None, "OK")


def in_step(now: float = 0.0) -> Dialogue:
    """A dialogue that has just been synchronised, at ``now`` + 0.5."""
    dialogue = Dialogue()
    dialogue.synchronise(now)
    dialogue.tick(now + 0.2)
    dialogue.receive_data(b"\r\nOK\r\n", now + 0.3)
    assert dialogue.tick(now + 0.5) == [Synchronised()]
    assert dialogue.bytes_to_send() == b"\x1bAT\r"
    return dialogue


def test_getting_in_step_is_escape_quiet_attention_ok_quiet() -> None:
    dialogue = Dialogue()
    assert dialogue.next_deadline() is None
    dialogue.synchronise(0.0)
    assert dialogue.bytes_to_send() == b"\x1b"
    assert dialogue.tick(0.1) == []
    dialogue.receive_data(b"\r\n+CMGS: 3\r\n\r\nOK\r\n", 0.15)
    dialogue.tick(0.3)
    assert dialogue.bytes_to_send() == b""  # not quiet for long enough yet
    dialogue.tick(0.36)
    assert dialogue.bytes_to_send() == b"AT\r"
    assert dialogue.receive_data(b"\r\nOK\r\n", 0.4) == []
    assert dialogue.next_deadline() == pytest.approx(0.6)
    assert dialogue.tick(0.59) == []
    assert dialogue.tick(0.61) == [Synchronised()]
    assert dialogue.phase is Phase.IDLE


def test_two_answers_to_one_attention_mean_that_one_was_late() -> None:
    dialogue = Dialogue()
    dialogue.synchronise(0.0)
    dialogue.tick(0.2)
    assert dialogue.receive_data(b"\r\nOK\r\n\r\nOK\r\n", 0.3) == [Stray("OK")]
    assert dialogue.tick(0.45) == []
    dialogue.tick(0.5)
    assert dialogue.bytes_to_send().endswith(b"AT\r")
    dialogue.receive_data(b"\r\nOK\r\n", 0.6)
    assert dialogue.tick(0.8) == [Synchronised()]


def test_as_many_answers_are_waited_for_as_command_lines_were_written() -> None:
    dialogue = in_step()
    dialogue.write(Attention(), 1.0)
    dialogue.tick(4.0)  # no answer
    dialogue.tick(4.2)  # AT
    dialogue.tick(5.2)  # no answer either
    dialogue.tick(5.41)  # AT
    heard = []
    for at in (5.5, 6.1, 6.7):  # a module that hung, and needs 0.6 s for each
        assert dialogue.phase is not Phase.IDLE
        heard += dialogue.receive_data(b"\r\nOK\r\n", at)
        heard += dialogue.tick(at + 0.19)
    assert heard == [Stray("OK"), Stray("OK")]
    assert dialogue.tick(6.91) == [Synchronised()]


def test_a_modem_that_needs_longer_than_one_is_given_for_attention_gets_in_step_all_the_same() -> None:
    dialogue = Dialogue()
    dialogue.synchronise(0.0)
    dialogue.tick(0.2)  # AT
    dialogue.tick(1.3)  # no answer yet
    assert dialogue.receive_data(b"\r\nOK\r\n", 1.4) == []
    assert dialogue.tick(1.61) == [Synchronised()]
    assert dialogue.bytes_to_send() == b"\x1bAT\r", "and is not asked a second time"


def test_answers_that_were_never_to_come_are_waited_no_longer_than_a_slow_modem_needs() -> None:
    dialogue = in_step()
    dialogue.write(Attention(), 1.0)
    for at in (4.0, 4.2, 5.2, 5.41):
        dialogue.tick(at)
    dialogue.receive_data(b"\r\nOK\r\n", 5.5)
    assert dialogue.tick(7.9) == []
    assert dialogue.tick(8.01) == [Synchronised()]


def test_a_modem_that_has_just_started_owes_no_answers() -> None:
    dialogue = in_step()
    dialogue.write(Attention(), 1.0)
    dialogue.has_restarted()
    dialogue.synchronise(2.0)
    dialogue.tick(2.2)
    dialogue.receive_data(b"\r\nOK\r\n", 2.3)
    assert dialogue.tick(2.51) == [Synchronised()]


def test_a_silent_line_is_given_up_after_its_tries_and_every_second_one_is_without_escape() -> None:
    dialogue = Dialogue()
    dialogue.synchronise(0.0)
    heard, written = [], b""
    while (deadline := dialogue.next_deadline()) is not None:
        heard += dialogue.tick(deadline)
        written += dialogue.bytes_to_send()
    assert heard == [NoAnswer(SYNC_TRIES)]
    assert written == b"\x1bAT\rAT\r\x1bAT\rAT\r\x1bAT\r"


def test_a_line_that_is_never_quiet_is_asked_all_the_same() -> None:
    dialogue = Dialogue()
    dialogue.synchronise(0.0)
    now = 0.0
    while b"AT\r" not in dialogue.bytes_to_send():
        now += 0.1
        assert now < 3.0
        dialogue.receive_data(b"boot message\r\n", now)
        dialogue.tick(now)


def test_the_answer_of_an_earlier_message_before_the_prompt_is_not_this_one_s() -> None:
    dialogue = in_step()
    command = SendPdu(20)
    dialogue.write(command, 1.0)
    assert dialogue.bytes_to_send() == b"AT+CMGS=20\r"
    heard = dialogue.receive_data(b"\r\n+CMGS: 5\r\n\r\nOK\r\n\r\n> ", 1.1)
    assert heard == [Stray("+CMGS: 5"), Stray("OK"), Prompted(command)]
    dialogue.write_pdu("00AA", 1.2, 60.0)
    assert dialogue.bytes_to_send() == b"00AA\x1a"
    heard = dialogue.receive_data(b"00AA\x1a\r\n> \r\n+CMGS: 6\r\n\r\nOK\r\n", 2.0)
    assert heard == [Answered(command, OK, ("+CMGS: 6",))]
    assert dialogue.echoes_heard == 1


def test_a_silence_says_whether_the_pdu_had_been_written() -> None:
    for hand_over, at in ((False, 6.0), (True, 61.2)):
        dialogue = in_step()
        dialogue.write(SendPdu(20), 1.0)
        dialogue.receive_data(b"\r\n> ", 1.1)
        if hand_over:
            dialogue.write_pdu("00AA", 1.2, 60.0)
        assert dialogue.tick(at - 0.1) == []
        assert dialogue.tick(at) == [TimedOut(SendPdu(20), handed_over=hand_over)]
        assert dialogue.phase is Phase.QUIET


def test_nothing_is_written_while_a_command_is_open_or_at_the_prompt() -> None:
    dialogue = in_step()
    dialogue.write(SendPdu(20), 1.0)
    with pytest.raises(RuntimeError, match="waiting for an answer"):
        dialogue.write(Attention(), 1.1)
    with pytest.raises(RuntimeError, match="waiting for an answer"):
        dialogue.write_pdu("00AA", 1.1, 60.0)
    dialogue.receive_data(b"> ", 1.2)
    with pytest.raises(RuntimeError, match="at the prompt"):
        dialogue.write(Attention(), 1.3)
    assert dialogue.bytes_to_send() == b"AT+CMGS=20\r"


def test_a_prompt_for_a_command_that_has_none_is_left_with_escape() -> None:
    dialogue = in_step()
    dialogue.write(ReadStorages(), 1.0)
    dialogue.bytes_to_send()
    assert dialogue.receive_data(b"\r\n> ", 1.1) == [Stray(">"), TimedOut(ReadStorages(), handed_over=False)]
    assert set(dialogue.bytes_to_send()) == {0x1B}


def test_a_urc_with_its_tpdu_between_the_lines_of_an_answer_is_told_apart_by_length() -> None:
    dialogue = in_step()
    command = ListMessages()
    dialogue.write(command, 1.0)
    heard = dialogue.receive_data(
        b"\r\n+CMGL: 1,1,,3\r\n\r\n+CDS: 4\r\n\r\n00060102\r\n\r\n0006010203\r\n\r\nOK\r\n", 1.1
    )
    assert heard == [UrcHeard("+CDS: 4", "0006010203"), Answered(command, OK, ("+CMGL: 1,1,,3", "00060102"))]


def test_a_listing_that_never_ends_is_bounded_and_times_out() -> None:
    dialogue = in_step()
    dialogue.write(ListMessages(), 1.0)
    strays = 0
    for row in range(MAX_ANSWER_LINES + 50):
        strays += len(dialogue.receive_data(b"+CMGL: 1,1,,3\r\n", 1.0 + row * 0.001))
    assert strays == 50
    assert dialogue.tick(21.0) == [TimedOut(ListMessages(), handed_over=False)]


def test_announced_tpdus_that_never_come_are_given_up_one_by_one() -> None:
    dialogue = in_step()
    heard = []
    for octets in range(20, 30):
        heard += dialogue.receive_data(b"\r\n+CDS: %d\r\n" % octets, 1.0)
    assert heard == [Stray(f"+CDS: {octets}") for octets in range(20, 26)]


def test_an_unknown_line_in_an_identification_is_no_answer() -> None:
    dialogue = in_step()
    dialogue.write(Identify("+CGMI"), 1.0)
    heard = dialogue.receive_data(b'\r\n+NEWS: 1\r\n\r\n+CGMI: "Maker"\r\n\r\nOK\r\n', 1.1)
    assert heard == [Stray("+NEWS: 1"), Answered(Identify("+CGMI"), OK, ('+CGMI: "Maker"',))]
    assert Identify("+CGMI").parse(('+CGMI: "Maker"',)) == "Maker"
