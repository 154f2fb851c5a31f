"""Octets of a modem → results: one table, fed whole, octet by octet, behind noise and before trailing octets."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tillbell_agent.modem.digest import (
    MAX_LINE_OCTETS,
    Digest,
    Echo,
    Expect,
    FinalResult,
    InfoLine,
    Prompt,
    Unmatched,
    Urc,
    UrcPdu,
    digest,
    match_line,
    printable,
)

PDU = (
    "07911326040000F0" + "04" + "0B91" + "AA" * 11
)  # an SMSC address of seven octets, then 14 octets of TPDU
SENDING = Expect(("AT+CMGS=14", "00AABB"), lambda text: text.startswith("+CMGS:"), ())

# name → (what is expected, octets, results)
CASES: dict[str, tuple[Expect, bytes, list[Digest]]] = {
    "final_ok": (Expect(), b"\r\nOK\r\n", [FinalResult("OK", None, "OK")]),
    "final_error": (Expect(), b"\r\nERROR\r\n", [FinalResult("ERROR", None, "ERROR")]),
    "final_huawei_words": (
        Expect(), b"\r\nCOMMAND NOT SUPPORT\r\n", [FinalResult("ERROR", None, "COMMAND NOT SUPPORT")],
    ),
    "final_cms": (Expect(), b"\r\n+CMS ERROR: 38\r\n", [FinalResult("CMS", 38, "+CMS ERROR: 38")]),
    "final_cme_without_space": (Expect(), b"\r\n+CME ERROR:10\r\n", [FinalResult("CME", 10, "+CME ERROR:10")]),
    "final_cme_in_words": (
        Expect(), b"\r\n+CME ERROR: SIM busy\r\n", [FinalResult("CME", None, "+CME ERROR: SIM busy")],
    ),
    "prompt_without_end_of_line": (SENDING, b"\r\n> ", [Prompt()]),
    "echo_then_prompt": (SENDING, b"AT+CMGS=14\r\r\n> ", [Echo("AT+CMGS=14"), Prompt()]),
    "urc_between_echo_and_prompt": (
        SENDING,
        b'AT+CMGS=14\r\r\n+CMTI: "SM",3\r\n\r\n> ',
        [Echo("AT+CMGS=14"), Urc('+CMTI: "SM",3'), Prompt()],
    ),
    "urc_between_prompt_and_answer": (
        SENDING,
        b"> \r\n+CREG: 2\r\n00AABB\x1a\r\n+CMGS: 7\r\n\r\nOK\r\n",
        [Prompt(), Urc("+CREG: 2"), Echo("00AABB\x1a"), InfoLine("+CMGS: 7"), FinalResult("OK", None, "OK")],
    ),
    "urc_glued_to_final_result": (
        SENDING, b'OK+CMTI: "SM",3\r\n', [FinalResult("OK", None, "OK"), Urc('+CMTI: "SM",3')],
    ),
    "urc_glued_to_the_answer": (
        SENDING, b'+CMGS: 7+CREG: 1,"00C3","7D21"\r\n', [InfoLine("+CMGS: 7"), Urc('+CREG: 1,"00C3","7D21"')],
    ),
    "final_result_glued_to_urc": (
        SENDING, b'+CMTI: "SM",3OK\r\n', [Urc('+CMTI: "SM",3'), FinalResult("OK", None, "OK")],
    ),
    "urc_cut_by_another": (
        SENDING,
        b'+CRE\r\n+CMTI: "ME",0\r\nG: 1\r\n',
        [Unmatched("+CRE"), Urc('+CMTI: "ME",0'), Unmatched("G: 1")],
    ),
    "a_urc_inside_quotes_is_text": (
        SENDING, b'+CUSD: 0,"dial +CREG: 1 now",15\r\n', [Urc('+CUSD: 0,"dial +CREG: 1 now",15')],
    ),
    "routed_message_announces_its_tpdu": (Expect(), b"+CMT: ,14\r\n", [Urc("+CMT: ,14", 14)]),
    "routed_report_announces_its_tpdu": (Expect(), b"+CDS: 25\r\n", [Urc("+CDS: 25", 25)]),
    "announced_tpdu": (Expect(tpdu_octets=(14,)), PDU.encode() + b"\r\n", [UrcPdu(PDU, 14)]),
    "tpdu_of_another_length_is_the_command's": (
        Expect((), lambda text: text.startswith("0791"), (25,)), PDU.encode() + b"\r\n", [InfoLine(PDU)],
    ),
    "read_registration_is_an_answer": (
        Expect((), lambda text: text.startswith("+CREG:")), b"+CREG: 0,1\r\n", [InfoLine("+CREG: 0,1")],
    ),
    "changed_registration_is_a_urc": (
        Expect((), lambda text: text.startswith("+CREG:")), b"+CREG: 1\r\n", [Urc("+CREG: 1")],
    ),
    "pin_state_is_a_urc_unless_asked_for": (Expect(), b"+CPIN: READY\r\n", [Urc("+CPIN: READY")]),
    "pin_state_is_an_answer_when_asked_for": (
        Expect((), lambda text: text.startswith("+CPIN:")), b"+CPIN: READY\r\n", [InfoLine("+CPIN: READY")],
    ),
    "line_of_nobody": (SENDING, b"\xff\xfehello\r\n", [Unmatched("\xff\xfehello")]),
    "restart": (Expect(), b"\r\nRDY\r\n", [Urc("RDY")]),
}  # fmt: skip


def all_results(octets: bytes, expect: Expect) -> tuple[list[Digest], bytes]:
    """Every result, and the incomplete rest."""
    found = []
    while octets:
        result, consumed = digest(octets, expect)
        if not consumed:
            break
        octets = octets[consumed:]
        if result is not None:
            found.append(result)
    return found, octets


@pytest.mark.parametrize("name", CASES)
def test_octets_give_their_results_and_nothing_is_left(name: str) -> None:
    expect, octets, wanted = CASES[name]
    found, rest = all_results(octets, expect)
    assert found == wanted
    assert rest.strip(b"\r\n ") == b""


@pytest.mark.parametrize("name", CASES)
def test_octet_by_octet_gives_the_same_and_never_too_early(name: str) -> None:
    expect, octets, wanted = CASES[name]
    found: list[Digest] = []
    buffer = b""
    for position in range(len(octets)):
        if len(found) == len(wanted):
            break
        buffer += octets[position : position + 1]
        more, buffer = all_results(buffer, expect)
        found += more
    assert found == wanted


@pytest.mark.parametrize("name", CASES)
def test_trailing_octets_stay_and_a_line_of_noise_before_does_no_harm(name: str) -> None:
    expect, octets, wanted = CASES[name]
    found, rest = all_results(b"\x80noise\r\n" + octets + b"\r\n+TRAILING", expect)
    assert found == [Unmatched("\x80noise"), *wanted]
    assert rest == b"+TRAILING"


def test_incomplete_and_no_match_are_different_answers() -> None:
    assert digest(b"+CMTI: ", Expect()) == (None, 0)
    assert digest(b"\r\n", Expect()) == (None, 2)
    assert digest(b"what\r\n", Expect()) == (Unmatched("what"), 4)


def test_a_line_without_end_is_given_up_at_its_maximum() -> None:
    octets = b"x" * (MAX_LINE_OCTETS + 10)
    assert digest(octets[: MAX_LINE_OCTETS - 1], Expect()) == (None, 0)
    assert digest(octets, Expect()) == (Unmatched("x" * MAX_LINE_OCTETS), MAX_LINE_OCTETS)


def test_the_order_of_attempts_is_echo_urc_final_info() -> None:
    everything = Expect(("OK",), lambda _: True)
    assert match_line("OK", everything) == Echo("OK")
    assert match_line("RING", everything) == Urc("RING")
    assert match_line("ERROR", everything) == FinalResult("ERROR", None, "ERROR")
    assert match_line("other", everything) == InfoLine("other")


def test_a_shown_line_is_escaped_cut_and_holds_no_message_in_hex() -> None:
    assert printable("\x1b[2Jé") == "\\x1b[2J\\xe9"
    assert printable(PDU) == f"<{len(PDU)} hex digits>"
    assert printable("y" * 300).endswith("… (300 octets)")


PIECES = st.sampled_from([octets for _, octets, _ in CASES.values()]) | st.binary(max_size=40)


@settings(max_examples=150)
@given(
    st.lists(PIECES, max_size=6).map(b"".join),
    st.sampled_from([Expect(), SENDING, Expect(tpdu_octets=(14, 25))]),
)
@example(b">>>>\r\x00\x1a\n+CMS ERROR: 99999999999999\r\n", Expect())
def test_any_octets_give_the_same_results_in_any_pieces(octets: bytes, expect: Expect) -> None:
    whole, rest = all_results(octets, expect)
    found: list[Digest] = []
    buffer = b""
    for position in range(len(octets)):
        more, buffer = all_results(buffer + octets[position : position + 1], expect)
        found += more
    assert (found, buffer) == (whole, rest)
