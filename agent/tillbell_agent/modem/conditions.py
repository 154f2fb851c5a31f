"""How a modem is, in one word; and for each word what is waited for and what a person does next.

Pure tables. Which condition holds is the session's to say; nothing here decides or waits.
"""

from enum import Enum

from tillbell_agent.modem.results import AnswerClass, classify


class Condition(Enum):
    """One word for scripts; ``WAITS_FOR`` and ``NEXT_STEP`` say it to people."""

    STARTING = "starting"
    READY = "ready"
    DEAF = "deaf"
    RESETTING = "resetting"
    NO_SIM = "no_sim"
    PIN_NEEDED = "pin_needed"
    PUK_NEEDED = "puk_needed"
    SIM_BUSY = "sim_busy"
    SEARCHING = "searching"
    DENIED = "denied"
    BARRED = "barred"
    NO_CREDIT = "no_credit"
    STORAGE_FULL = "storage_full"
    UNPLUGGED = "unplugged"


WAITS_FOR = {
    Condition.STARTING: "the modem's answers while it is set up; a minute at most",
    Condition.READY: "the next message",
    Condition.DEAF: "an answer to AT; meanwhile each step of the recovery is tried in turn",
    Condition.RESETTING: "the modem to start again",
    Condition.NO_SIM: "a SIM card that the modem can read",
    Condition.PIN_NEEDED: "the SIM's PIN",
    Condition.PUK_NEEDED: "somebody to unlock the SIM with its PUK",
    Condition.SIM_BUSY: "the SIM to finish its start; about ten seconds",
    Condition.SEARCHING: "a network that the SIM may use",
    Condition.DENIED: "a network that takes the SIM: each one so far has refused it",
    Condition.BARRED: "the operator to lift the barring; a message is tried again after a pause",
    Condition.NO_CREDIT: "credit, or the operator's permission to send; a message is tried again after a pause",
    Condition.STORAGE_FULL: "room in the modem's message storage, which is being emptied",
    Condition.UNPLUGGED: "the port to appear again; it is looked for every second",
}

NEXT_STEP = {
    Condition.STARTING: "wait a minute",
    Condition.READY: "nothing",
    Condition.DEAF: "if it stays so for five minutes: take the modem's power away for ten seconds, check its supply "
    "(2 A peaks) and that port and baudrate are right",
    Condition.RESETTING: "wait two minutes",
    Condition.NO_SIM: "put the SIM in, contacts clean, the right way round; if it is not found within two minutes, "
    "restart the modem",
    Condition.PIN_NEEDED: "write the right PIN into the pin_file and restart the agent, or take the PIN off the SIM in a phone",
    Condition.PUK_NEEDED: "put the SIM into a phone and enter the PUK, which its operator gives",
    Condition.SIM_BUSY: "wait half a minute; if it stays so, take the SIM out and put it back",
    Condition.SEARCHING: "check the antenna and its plug, and that this place has coverage for the modem's bands",
    Condition.DENIED: "ask the operator whether the SIM is active and may be used in this kind of device",
    Condition.BARRED: "ask the operator why this SIM may not send SMS",
    Condition.NO_CREDIT: "top up the SIM, or ask the operator whether its tariff includes SMS",
    Condition.STORAGE_FULL: "if it stays so for five minutes: check the disk, since a message is deleted only after it is stored here",
    Condition.UNPLUGGED: "plug the modem in; check that the configured port is a stable name below /dev/serial/by-id",
}

# +CMS: operator determined barring, call barred. The other two of that class are what most networks give to a SIM
# without credit; the standard has no code of its own for that.
_BARRED_CODES = frozenset({8, 10})


def condition_of_refusal(code_kind: str, code: int | None) -> Condition | None:
    """What a refused segment says of the SIM or the modem; None: nothing that lasts."""
    match classify(code_kind, code):
        case AnswerClass.BARRED:
            return Condition.BARRED if code in _BARRED_CODES else Condition.NO_CREDIT
        case AnswerClass.STORAGE:
            return Condition.STORAGE_FULL
        case _:
            return None


def condition_of_sim(code_kind: str, code: int | None) -> Condition | None:
    """What a refused +CPIN? says of the SIM (TS 27.007 +CME, TS 27.005 +CMS); None: nothing."""
    match code_kind, code:
        case ("CME", 11) | ("CMS", 311):
            return Condition.PIN_NEEDED
        case ("CME", 12) | ("CMS", 316):
            return Condition.PUK_NEEDED
        case ("CME", 14 | 515) | ("CMS", 314 | 514 | 515):
            return Condition.SIM_BUSY
        case ("CME", 10 | 13 | 15) | ("CMS", 310 | 313 | 315):
            return Condition.NO_SIM
        case _:
            return None
