"""Check octets beside those of the crccheck library, over all octet strings; and the published examples of each."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillbell_agent.pos.checks import crc_kermit, lrc


def _peer(module: str, name: str) -> Any:
    return getattr(pytest.importorskip(module, reason="absent peer: crccheck"), name)


@pytest.mark.peer("crccheck")
@given(octets=st.binary(max_size=2000))
def test_crc_kermit_agrees_with_crccheck(octets: bytes) -> None:
    kermit = _peer("crccheck.crc", "CrcKermit")
    assert crc_kermit(octets) == kermit.calc(octets)


@pytest.mark.peer("crccheck")
@given(octets=st.binary(max_size=2000), start=st.integers(0, 255))
def test_lrc_agrees_with_crccheck_from_any_start(octets: bytes, start: int) -> None:
    xor8 = _peer("crccheck.checksum", "ChecksumXor8")
    assert lrc(octets, start) == xor8.calc(octets, initvalue=start)


@pytest.mark.peer("crccheck")
@given(octets=st.binary(max_size=200), more=st.binary(max_size=200))
def test_crc_kermit_goes_on_where_it_stopped_as_crccheck_does(octets: bytes, more: bytes) -> None:
    kermit = _peer("crccheck.crc", "CrcKermit")()
    kermit.process(octets)
    kermit.process(more)
    assert crc_kermit(more, crc_kermit(octets)) == kermit.final()


@given(first=st.binary(max_size=200), second=st.binary(max_size=200), start=st.integers(0, 255))
def test_lrc_goes_on_where_it_stopped(first: bytes, second: bytes, start: int) -> None:
    assert lrc(second, lrc(first, start)) == lrc(first + second, start)


def test_crc_kermit_of_the_catalogued_check_string() -> None:
    assert crc_kermit(b"123456789") == 0x2189


@pytest.mark.parametrize(
    ("apdu", "low_first"),
    [("800000", "f51f"), ("06010a040000000110004909 78".replace(" ", ""), "f2ff")],
)
def test_crc_kermit_over_an_apdu_and_etx_is_what_zvt_sends(apdu: str, low_first: str) -> None:
    assert crc_kermit(bytes.fromhex(apdu) + b"\x03").to_bytes(2, "little").hex() == low_first
