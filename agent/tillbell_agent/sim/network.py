"""A mobile network in a process: an SMS-SUBMIT that a modem hands in → texts on phones, status reports, log records.

TS 23.040. It accepts every valid TPDU, numbers nothing itself (TP-MR is the modem's), reassembles as a phone does, and
keeps what each phone shows. It loses, delays and refuses nothing: faults are the modem's side of the simulation.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tillbell_protocol.errors import DecodeError
from tillbell_protocol.sms.dcs import Alphabet
from tillbell_protocol.sms.reassembly import Assembled
from tillbell_protocol.sms.status import Status
from tillbell_protocol.sms.timestamp import Timestamp
from tillbell_protocol.sms.tpdu import SmsDeliver, SmsStatusReport, SmsSubmit
from tillbell_protocol.sms.udh import concatenation, encode_udh, ports
from tillbell_protocol.sms.user_data import encode_user_data

Record = dict[str, Any]

# The phones together keep the parts of this many unfinished messages; the oldest goes first, as on a real one.
MAX_UNFINISHED = 1024
# What a phone shows is kept for a harness to ask for; a day of a busy shop.
MAX_SHOWN = 10_000


@dataclass(frozen=True, slots=True)
class Shown:
    """One message as a phone shows it: a text, or data for an application's port (hex)."""

    t: float
    sender: str
    text: str | None
    data: str | None
    port: int | None
    parts: int

    def record(self, to: str) -> Record:
        body = {"text": self.text} if self.text is not None else {"data": self.data}
        return {
            "ev": "msg",
            "t": self.t,
            "to": to,
            "from": self.sender,
            **body,
            "parts": self.parts,
            "port": self.port,
        }


class Network:
    """Sans-IO; ``now`` is monotonic seconds, ``began`` the wall time at ``now`` 0."""

    def __init__(self, began: datetime) -> None:
        self._began = began
        self._unfinished: dict[tuple[str, int, int, int], dict[int, SmsDeliver]] = {}
        self._shown: dict[str, list[Shown]] = {}

    def submit(self, submit: SmsSubmit, mr: int, sender: str, now: float) -> list[Record]:
        """One accepted segment: what is logged of it, and of the message that it completes."""
        to = submit.da.text()
        records = [_sms_record(submit, mr, to, now)]
        whole = self._joined(to, submit, now)
        if whole is not None:
            shown = _shown(whole, sender, now)
            self._keep(to, shown)
            records.append(shown.record(to))
        return records

    def shown(self, number: str) -> list[Shown]:
        """What a phone shows, oldest first."""
        return list(self._shown.get(number, ()))

    def as_delivered(self, submit: SmsSubmit, now: float) -> SmsDeliver:
        """The same user data as the phone's side gets it. TP-OA is the addressee's here: only content matters."""
        return SmsDeliver(submit.da, submit.pid, submit.dcs, self.timestamp(now), submit.udh, submit.ud)

    def report(
        self, submit: SmsSubmit, mr: int, submitted_at: float, now: float, status: int = 0
    ) -> SmsStatusReport:
        """The status report for a segment; 0 is "received by the phone"."""
        return SmsStatusReport(
            mr, submit.da, self.timestamp(submitted_at), self.timestamp(now), Status(status)
        )

    def timestamp(self, now: float) -> Timestamp:
        """TP-SCTS for a moment."""
        return Timestamp.from_datetime((self._began + timedelta(seconds=now)).replace(microsecond=0))

    def _joined(self, to: str, submit: SmsSubmit, now: float) -> Assembled | None:
        """The message that this segment completes. As on a phone, the same message sent twice is shown twice."""
        deliver = self.as_delivered(submit, now)
        part = concatenation(submit.udh)
        if part is None:
            return Assembled(submit.da, (deliver,))
        key = (to, part.reference, part.bits, part.total)
        parts = self._unfinished.setdefault(key, {})
        parts[part.sequence] = deliver
        if len(parts) < part.total:
            if len(self._unfinished) > MAX_UNFINISHED:
                del self._unfinished[next(iter(self._unfinished))]
            return None
        del self._unfinished[key]
        return Assembled(submit.da, tuple(parts[sequence] for sequence in sorted(parts)))

    def _keep(self, to: str, shown: Shown) -> None:
        messages = self._shown.setdefault(to, [])
        messages.append(shown)
        del messages[:-MAX_SHOWN]


def _shown(event: Assembled, sender: str, now: float) -> Shown:
    destination = event.ports()
    port = destination.destination if destination else None
    try:
        text, data = (None, event.data().hex()) if event.is_data() else (event.text(), None)
    except DecodeError:
        text, data = None, b"".join(part.ud for part in event.parts).hex()
    return Shown(now, sender, text, data, port, len(event.parts))


def _sms_record(submit: SmsSubmit, mr: int, to: str, now: float) -> Record:
    """One segment: ``udh`` with its length octet, ``ud`` the octets after it as they are on the air, both hex."""
    header = encode_udh(submit.udh) if submit.udh else b""
    user_data = encode_user_data(submit.dcs, submit.udh, submit.ud)[1:]
    part = concatenation(submit.udh)
    destination = ports(submit.udh)
    return {
        "ev": "sms",
        "t": now,
        "to": to,
        "dcs": submit.dcs.octet,
        "udh": header.hex(),
        "ud": user_data[len(header) :].hex(),
        "text": _text(submit),
        "mr": mr,
        "parts": [part.sequence, part.total] if part else [1, 1],
        "port": destination.destination if destination else None,
        "srr": submit.srr,
    }


def _text(submit: SmsSubmit) -> str | None:
    if submit.dcs.alphabet() is Alphabet.DATA8:
        return None
    try:
        return submit.text()
    except DecodeError:
        return None
