"""A modem's final answer → the class of what went wrong, by the codes of TS 27.005 (+CMS) and TS 27.007 (+CME).

The class says whose trouble it is: the network's, this number's, the SIM's, the modem's, our own. It never says what to
do about it: that is ``retry.py`` alone.
"""

from enum import Enum


class AnswerClass(Enum):
    """Whose trouble an error is."""

    NETWORK = "network"  # somewhere behind the network: the same message may pass later
    CONGESTION = "congestion"  # the network itself, no service or no room: so for every message now
    OUTCOME_UNKNOWN = "outcome-unknown"  # nobody can say whether the message went out
    NUMBER = "number"  # this recipient: unassigned, unknown subscriber, rejected
    BARRED = "barred"  # barring or credit: every message from this SIM
    PDU = "pdu"  # our PDU is not valid: a defect of this program
    SIM = "sim"  # SIM, PIN or PUK
    SIM_BUSY = "sim-busy"  # the SIM is still starting: seconds
    MODEM = "modem"  # the modem itself failed, or does not allow the operation now
    STORAGE = "storage"  # message storage full or failing
    SERVICE_CENTRE = "service-centre"  # its address is missing or wrong: a matter of configuration
    OTHER = "other"  # a code without a rule of its own


_CMS = {
    # Up to 127: causes of the network's relay layer (TS 24.011).
    1: AnswerClass.NUMBER, 8: AnswerClass.BARRED, 10: AnswerClass.BARRED, 21: AnswerClass.NUMBER,
    27: AnswerClass.NETWORK, 28: AnswerClass.NUMBER, 29: AnswerClass.BARRED, 30: AnswerClass.NUMBER,
    38: AnswerClass.NETWORK, 41: AnswerClass.NETWORK, 42: AnswerClass.CONGESTION, 47: AnswerClass.CONGESTION,
    50: AnswerClass.BARRED,
    # From 300: the modem's own, TS 27.005.
    300: AnswerClass.MODEM, 301: AnswerClass.MODEM, 302: AnswerClass.MODEM,
    304: AnswerClass.PDU, 305: AnswerClass.PDU,
    310: AnswerClass.SIM, 311: AnswerClass.SIM, 312: AnswerClass.SIM, 313: AnswerClass.SIM,
    314: AnswerClass.SIM_BUSY, 315: AnswerClass.SIM, 316: AnswerClass.SIM, 317: AnswerClass.SIM,
    318: AnswerClass.SIM,
    320: AnswerClass.STORAGE, 322: AnswerClass.STORAGE,
    330: AnswerClass.SERVICE_CENTRE, 331: AnswerClass.CONGESTION,
    332: AnswerClass.OUTCOME_UNKNOWN, 500: AnswerClass.OUTCOME_UNKNOWN,
}  # fmt: skip

_CME = {
    **dict.fromkeys((10, 11, 12, 13, 15, 16, 17, 18), AnswerClass.SIM),
    14: AnswerClass.SIM_BUSY,
    20: AnswerClass.STORAGE,
    30: AnswerClass.CONGESTION,
    31: AnswerClass.OUTCOME_UNKNOWN,  # network time-out: as +CMS 332
    32: AnswerClass.CONGESTION,  # emergency calls only: no service for us
    100: AnswerClass.OUTCOME_UNKNOWN,  # "unknown": as +CMS 500
    3: AnswerClass.MODEM,
    4: AnswerClass.MODEM,
}

# From here on codes are the manufacturer's: without a profile of the module nothing more can be said of them.
_CMS_MANUFACTURER = 512


def classify(code_kind: str, code: int | None) -> AnswerClass:
    """The class of ``+CMS ERROR: code`` ("CMS"), ``+CME ERROR: code`` ("CME") or a plain ``ERROR`` ("ERROR").

    ``code`` is None where the modem gave words instead of a number.
    """
    if code_kind == "ERROR":
        return AnswerClass.MODEM
    if code is None:
        return AnswerClass.OTHER
    if code_kind == "CME":
        return _CME.get(code, AnswerClass.OTHER)
    if code >= _CMS_MANUFACTURER:
        return AnswerClass.MODEM
    return _CMS.get(code, AnswerClass.OTHER)
