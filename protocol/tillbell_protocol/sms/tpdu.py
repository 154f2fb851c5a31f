"""TPDUs: SMS-SUBMIT, SMS-DELIVER and SMS-STATUS-REPORT <-> octets (3GPP TS 23.040, 9.2.2), and their AT form.

Fields carry the standard's names in lower case without the TP-. ``ud`` is the user data after the header: one octet
per septet for packed 7-bit text, raw octets otherwise. Octets after the last field are kept in ``rest`` and never
read. Reports and commands of the other direction are not read: they never reach an AT interface's user.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from tillbell_protocol.errors import DecodeError, EncodeError
from tillbell_protocol.sms.address import Address
from tillbell_protocol.sms.at import at_pdu, split_at_pdu
from tillbell_protocol.sms.dcs import Dcs
from tillbell_protocol.sms.reader import Reader
from tillbell_protocol.sms.status import Outcome, Status
from tillbell_protocol.sms.timestamp import OCTETS, Timestamp
from tillbell_protocol.sms.udh import InformationElement
from tillbell_protocol.sms.user_data import data_of, encode_user_data, read_user_data, text_of
from tillbell_protocol.sms.validity import Validity, read_validity

__all__ = [
    "Direction",
    "SmsDeliver",
    "SmsStatusReport",
    "SmsSubmit",
    "Tpdu",
    "at_pdu",
    "decode_tpdu",
    "read_tpdu",
    "split_at_pdu",
]

Udh = tuple[InformationElement, ...]
Direction = Literal["to_sc", "from_sc"]

_MTI, _UDHI, _RP = 0x03, 0x40, 0x80
_RD, _VPF_SHIFT, _SRR = 0x04, 3, 0x20
_MMS, _LP, _SRI_SRQ = 0x04, 0x08, 0x20
_PI_PID, _PI_DCS, _PI_UDL, _PI_EXTENSION = 0x01, 0x02, 0x04, 0x80


class _UserData:
    """What every TPDU with a data coding and user data can be asked."""

    __slots__ = ()
    dcs: Dcs
    udh: Udh
    ud: bytes

    def text(self) -> str:
        """The text of this part. DecodeError if it is 8-bit data or compressed."""
        return text_of(self.dcs, self.udh, self.ud)

    def data(self) -> bytes:
        """The octets after the header. DecodeError if it is 7-bit text."""
        return data_of(self.dcs, self.ud)


@dataclass(frozen=True, slots=True)
class SmsSubmit(_UserData):
    """SMS-SUBMIT: TP-MR, TP-DA, TP-PID, TP-DCS, TP-VP, the user data header's elements, TP-UD; TP-RD, TP-RP, TP-SRR."""

    mti: ClassVar[int] = 0b01

    mr: int
    da: Address
    pid: int
    dcs: Dcs
    vp: Validity | None
    udh: Udh
    ud: bytes
    rd: bool = False
    rp: bool = False
    srr: bool = False
    rest: bytes = b""

    def encode(self) -> bytes:
        """The TPDU, without the service centre's address."""
        vpf = self.vp.vpf << _VPF_SHIFT if self.vp is not None else 0
        flags = _flags((self.rd, _RD), (self.srr, _SRR), (bool(self.udh), _UDHI), (self.rp, _RP))
        return (
            bytes((self.mti | vpf | flags, _checked("mr", self.mr)))
            + self.da.encode()
            + bytes((_checked("pid", self.pid), self.dcs.octet))
            + (self.vp.encode() if self.vp is not None else b"")
            + encode_user_data(self.dcs, self.udh, self.ud)
            + self.rest
        )

    @classmethod
    def decode(cls, tpdu: bytes) -> "SmsSubmit":
        return cls.read(Reader(tpdu))

    @classmethod
    def read(cls, reader: Reader) -> "SmsSubmit":
        first = _first_octet(reader, cls.mti, "SMS-SUBMIT")
        mr = reader.octet("mr")
        da = Address.read(reader, "da")
        pid, dcs = reader.octet("pid"), Dcs(reader.octet("dcs"))
        vp = read_validity(reader, first >> _VPF_SHIFT & 0b11)
        udh, ud = read_user_data(reader, dcs, bool(first & _UDHI))
        rd, rp, srr = bool(first & _RD), bool(first & _RP), bool(first & _SRR)
        return cls(mr, da, pid, dcs, vp, udh, ud, rd, rp, srr, reader.rest("rest"))


@dataclass(frozen=True, slots=True)
class SmsDeliver(_UserData):
    """SMS-DELIVER: TP-OA, TP-PID, TP-DCS, TP-SCTS, the header's elements, TP-UD; TP-MMS, TP-LP, TP-SRI, TP-RP.

    ``mms`` is the bit as it stands: True says that **no** more messages wait.
    """

    mti: ClassVar[int] = 0b00

    oa: Address
    pid: int
    dcs: Dcs
    scts: Timestamp
    udh: Udh
    ud: bytes
    mms: bool = True
    lp: bool = False
    sri: bool = False
    rp: bool = False
    rest: bytes = b""

    def encode(self) -> bytes:
        """The TPDU, without the service centre's address."""
        flags = _flags((self.mms, _MMS), (self.lp, _LP), (self.sri, _SRI_SRQ), (bool(self.udh), _UDHI))
        return (
            bytes((self.mti | flags | (_RP if self.rp else 0),))
            + self.oa.encode()
            + bytes((_checked("pid", self.pid), self.dcs.octet))
            + self.scts.octets
            + encode_user_data(self.dcs, self.udh, self.ud)
            + self.rest
        )

    @classmethod
    def decode(cls, tpdu: bytes) -> "SmsDeliver":
        return cls.read(Reader(tpdu))

    @classmethod
    def read(cls, reader: Reader) -> "SmsDeliver":
        first = _first_octet(reader, cls.mti, "SMS-DELIVER")
        oa = Address.read(reader, "oa")
        pid, dcs = reader.octet("pid"), Dcs(reader.octet("dcs"))
        scts = Timestamp(reader.take("scts", OCTETS))
        udh, ud = read_user_data(reader, dcs, bool(first & _UDHI))
        mms, lp = bool(first & _MMS), bool(first & _LP)
        sri, rp = bool(first & _SRI_SRQ), bool(first & _RP)
        return cls(oa, pid, dcs, scts, udh, ud, mms, lp, sri, rp, reader.rest("rest"))


@dataclass(frozen=True, slots=True)
class SmsStatusReport:
    """SMS-STATUS-REPORT: TP-MR, TP-RA, TP-SCTS, TP-DT, TP-ST; optional TP-PID, TP-DCS, TP-UD; TP-MMS, TP-LP, TP-SRQ.

    ``dt`` is the discharge time, or that of the last try. ``ud`` None: the report has no user data.
    """

    mti: ClassVar[int] = 0b10

    mr: int
    ra: Address
    scts: Timestamp
    dt: Timestamp
    st: Status
    pid: int | None = None
    dcs: Dcs | None = None
    udh: Udh = ()
    ud: bytes | None = None
    mms: bool = True
    lp: bool = False
    srq: bool = False
    rest: bytes = b""

    def outcome(self) -> Outcome:
        """Delivered, pending, failed or unknown."""
        return self.st.outcome()

    def text(self) -> str:
        """The text of the user data; empty if there is none."""
        return text_of(self.dcs or Dcs.GSM7, self.udh, self.ud or b"")

    def data(self) -> bytes:
        """The octets of the user data. DecodeError if it is 7-bit text."""
        return data_of(self.dcs or Dcs.GSM7, self.ud or b"")

    def encode(self) -> bytes:
        """The TPDU, without the service centre's address."""
        if self.udh and self.ud is None:
            raise EncodeError("udh", "a header without user data")
        flags = _flags((self.mms, _MMS), (self.lp, _LP), (self.srq, _SRI_SRQ), (bool(self.udh), _UDHI))
        return (
            bytes((self.mti | flags, _checked("mr", self.mr)))
            + self.ra.encode()
            + self.scts.octets
            + self.dt.octets
            + bytes((self.st.octet,))
            + self._optional()
            + self.rest
        )

    def _optional(self) -> bytes:
        """TP-PI and what it announces; TP-PI also where only ``rest`` follows, which would be read as one."""
        pi = _flags(
            (self.pid is not None, _PI_PID), (self.dcs is not None, _PI_DCS), (self.ud is not None, _PI_UDL)
        )
        out = bytes((pi,)) if pi or self.rest else b""
        if self.pid is not None:
            out += bytes((_checked("pid", self.pid),))
        if self.dcs is not None:
            out += bytes((self.dcs.octet,))
        if self.ud is not None:
            out += encode_user_data(self.dcs or Dcs.GSM7, self.udh, self.ud)
        return out

    @classmethod
    def decode(cls, tpdu: bytes) -> "SmsStatusReport":
        return cls.read(Reader(tpdu))

    @classmethod
    def read(cls, reader: Reader) -> "SmsStatusReport":
        first = _first_octet(reader, cls.mti, "SMS-STATUS-REPORT")
        mr = reader.octet("mr")
        ra = Address.read(reader, "ra")
        scts, dt = Timestamp(reader.take("scts", OCTETS)), Timestamp(reader.take("dt", OCTETS))
        st = Status(reader.octet("st"))
        pi = _parameter_indicator(reader)
        pid = reader.octet("pid") if pi & _PI_PID else None
        dcs = Dcs(reader.octet("dcs")) if pi & _PI_DCS else None
        udh: Udh = ()
        ud = None
        if pi & _PI_UDL:
            udh, ud = read_user_data(reader, dcs or Dcs.GSM7, bool(first & _UDHI))
        mms, lp, srq = bool(first & _MMS), bool(first & _LP), bool(first & _SRI_SRQ)
        return cls(mr, ra, scts, dt, st, pid, dcs, udh, ud, mms, lp, srq, reader.rest("rest"))


Tpdu = SmsSubmit | SmsDeliver | SmsStatusReport


def decode_tpdu(tpdu: bytes, direction: Direction) -> Tpdu:
    """The TPDU, told apart by TP-MTI and the direction it travels in."""
    return read_tpdu(Reader(tpdu), direction)


def read_tpdu(reader: Reader, direction: Direction) -> Tpdu:
    """Like decode_tpdu, at the reader, whose offsets are those of errors."""
    if reader.offset >= len(reader.octets):
        raise DecodeError("first", reader.offset, "no octets")
    mti = reader.octets[reader.offset] & _MTI
    if direction == "to_sc":
        if mti == SmsSubmit.mti:
            return SmsSubmit.read(reader)
        raise DecodeError(
            "first", reader.offset, f"TP-MTI {mti} towards the service centre is not SMS-SUBMIT"
        )
    if mti == SmsDeliver.mti:
        return SmsDeliver.read(reader)
    if mti == SmsStatusReport.mti:
        return SmsStatusReport.read(reader)
    raise DecodeError(
        "first",
        reader.offset,
        f"TP-MTI {mti} from the service centre is neither SMS-DELIVER nor SMS-STATUS-REPORT",
    )


def _first_octet(reader: Reader, mti: int, name: str) -> int:
    start = reader.offset
    first = reader.octet("first")
    if first & _MTI != mti:
        raise DecodeError("first", start, f"TP-MTI {first & _MTI} is not that of {name}")
    return first


def _parameter_indicator(reader: Reader) -> int:
    """TP-PI, 0 if the report ends before it; further indicator octets are passed over, none has a meaning."""
    if reader.offset == len(reader.octets):
        return 0
    octet = first = reader.octet("pi")
    while octet & _PI_EXTENSION:
        octet = reader.octet("pi")
    return first


def _flags(*flags: tuple[bool, int]) -> int:
    return sum(bit for on, bit in flags if on)


def _checked(field: str, value: int) -> int:
    if not 0 <= value <= 0xFF:
        raise EncodeError(field, f"{value} is not an octet")
    return value
