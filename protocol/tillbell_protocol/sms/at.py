"""A TPDU <-> the hex digits of AT+CMGS, +CMT, +CMGR and +CDS in PDU mode (3GPP TS 27.005).

The service centre's address stands before the TPDU there. What the TPDU says is not looked at.
"""

from tillbell_protocol.errors import DecodeError
from tillbell_protocol.sms.address import Address
from tillbell_protocol.sms.reader import Reader


def at_pdu(tpdu: bytes, smsc: Address | None = None) -> tuple[str, int]:
    """Hex for AT+CMGS with the service centre's address before it (``00``: as set in the modem), and its <length>.

    TS 27.005: <length> counts the octets of the TPDU alone.
    """
    prefix = b"\0" if smsc is None else smsc.encode_smsc()
    return (prefix + tpdu).hex().upper(), len(tpdu)


def split_at_pdu(pdu: str) -> tuple[Address | None, bytes]:
    """The service centre's address and the TPDU of a PDU in hex, as +CMT, +CMGR and +CDS give it."""
    reader = Reader(octets_of(pdu))
    smsc = Address.read_smsc(reader)
    return smsc, reader.octets[reader.offset :]


def octets_of(pdu: str) -> bytes:
    """Hex digits to octets; white space between octets is allowed. DecodeError names the octet that is not hex."""
    compact = "".join(pdu.split())
    for position, character in enumerate(compact):
        if character not in "0123456789abcdefABCDEF":
            raise DecodeError("pdu", position // 2, f"{character!r} is not a hex digit")
    if len(compact) % 2:
        raise DecodeError("pdu", len(compact) // 2, "half an octet at the end")
    return bytes.fromhex(compact)
