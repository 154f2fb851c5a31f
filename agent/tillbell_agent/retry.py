"""What happened to a message → what is to be done next. The only place that decides to send again.

A message sent twice by mistake tells a merchant of a sale that never was; a message not sent again is a sale that nobody
heard of. So "nothing left the agent", "somebody said no" and "nobody can say" are three different outcomes, and only the
last one may make a repetition that a reader must be able to recognise. Sealed messages carry a counter, by which the
receiver drops a repetition, so the same octets go again; a readable text is repeated with a mark, or not at all.
"""

from dataclasses import dataclass
from enum import Enum

from tillbell_agent.modem.results import AnswerClass


class Outcome(Enum):
    """How the last try ended."""

    NOT_SENT = "not-sent"  # nothing of the PDU was written
    REFUSED = "refused"  # an error answered it; ``answer`` says of what class
    UNKNOWN = "unknown"  # written, no answer


class ActionKind(Enum):
    """What the outbox does with the message. ``delay_s`` of the action goes with it."""

    SEND_AGAIN = "send-again"  # the same octets
    SEND_AGAIN_MARKED = (
        "send-again-marked"  # with the mark of a repetition, unless a status report comes first
    )
    HOLD_SIM = "hold-sim"  # back into the queue; nothing leaves by this SIM during the delay
    RECOVER_MODEM = "recover-modem"  # back into the queue; bring the modem up again first
    CLEAN_STORAGE = "clean-storage"  # back into the queue; sweep the modem's storage first
    LEAVE_UNKNOWN = "leave-unknown"  # never again; it stays unknown, and is shown as that
    REFUSE = "refuse"  # never again; it was refused
    EXPIRE = "expire"  # never again; too late


@dataclass(frozen=True, slots=True)
class Action:
    """``alarm``: tell the operator as well."""

    kind: ActionKind
    delay_s: float = 0.0
    alarm: bool = False


# Pauses after the first, second … try that the network turned down; the last one repeats.
BACK_OFF_S = (5.0, 15.0, 60.0, 300.0, 900.0, 3600.0)
# A status report that will come at all mostly comes within this; only then is a text repeated.
REPORT_WAIT_S = 60.0
# How often a readable text of each class is repeated after an unknown outcome. A customer's texts never: one who
# asked can ask again.
REPETITIONS = {"alert": 3, "txn": 1, "report": 1, "service": 1, "receipt": 0, "promo": 0}
# Refusals that speak against a message itself; only these count towards giving it up, whatever else befell it.
AGAINST_MESSAGE = frozenset({AnswerClass.NUMBER, AnswerClass.OTHER})
# So often its number may be refused, or a code without a rule, perhaps transient, may answer it.
NUMBER_TRIES = 3
OTHER_TRIES = 4
# Congestion: the first message waits, and the others behind it, in their order. One that meets it oftener steps aside.
CONGESTION_HOLDS = 3
SIM_BUSY_S = 5.0
# A SIM without credit, barred or locked needs a person; asking it more often only costs.
HOLD_SIM_S = 600.0
HOLD_BARRED_S = 3600.0


def back_off(attempts: int, jitter: float) -> float:
    """The pause after the ``attempts``-th try (1 …), stretched by up to a quarter; ``jitter`` is 0 … 1.

    Never longer than ``BACK_OFF_S``' last: the outbox takes a longer one for a clock that jumped.
    """
    pause = BACK_OFF_S[min(max(attempts, 1), len(BACK_OFF_S)) - 1]
    return min(pause * (1.0 + 0.25 * jitter), BACK_OFF_S[-1])


def outcome_of(answer: AnswerClass, *, handed_over: bool) -> Outcome:
    """Of an error: one that came instead of the prompt leaves nothing open, whatever its code says."""
    if answer is not AnswerClass.OUTCOME_UNKNOWN:
        return Outcome.REFUSED
    return Outcome.UNKNOWN if handed_over else Outcome.NOT_SENT


def next_action(
    *,
    outcome: Outcome,
    answer: AnswerClass | None,
    message_class: str,
    message_format: str,
    attempts: int,
    unknowns: int,
    refusals: int,
    age_s: float,
    lifetime_s: float,
    jitter: float,
) -> Action:
    """The one rule. ``attempts``, ``unknowns`` and ``refusals`` count this message's tries, unknown outcomes, and
    refusals ``AGAINST_MESSAGE``, this one included.

    ``answer`` is the class of the refusal (None unless refused); ``message_class`` is a class of notification,
    ``message_format`` is text, sealed or armored; ``jitter`` is a random 0 … 1 of the caller's.
    """
    if outcome is Outcome.UNKNOWN or (outcome is Outcome.REFUSED and answer is AnswerClass.OUTCOME_UNKNOWN):
        return _after_unknown(
            message_class=message_class,
            message_format=message_format,
            attempts=attempts,
            unknowns=max(unknowns, 1),
            too_late=age_s >= lifetime_s,
            jitter=jitter,
        )
    if age_s >= lifetime_s:
        # Something of it may be out: then "expired" would claim to know more than anybody does.
        return Action(ActionKind.LEAVE_UNKNOWN if unknowns else ActionKind.EXPIRE)
    if outcome is Outcome.NOT_SENT:
        return Action(_again(message_format, unknowns), back_off(attempts, jitter))
    action = _after_refusal(answer, _again(message_format, unknowns), attempts, refusals, jitter)
    if action.kind is ActionKind.REFUSE and unknowns:
        # This copy was refused, but an earlier one may have arrived.
        return Action(ActionKind.LEAVE_UNKNOWN, alarm=action.alarm)
    return action


def _again(message_format: str, unknowns: int) -> ActionKind:
    """A text of which an earlier copy may be out is marked, whatever happened to this copy."""
    marked = unknowns > 0 and message_format == "text"
    return ActionKind.SEND_AGAIN_MARKED if marked else ActionKind.SEND_AGAIN


def _after_unknown(
    *, message_class: str, message_format: str, attempts: int, unknowns: int, too_late: bool, jitter: float
) -> Action:
    if too_late:
        return Action(ActionKind.LEAVE_UNKNOWN)
    if message_format != "text":
        return Action(ActionKind.SEND_AGAIN, back_off(attempts, jitter))
    if unknowns > REPETITIONS.get(message_class, 0):
        return Action(ActionKind.LEAVE_UNKNOWN)
    return Action(ActionKind.SEND_AGAIN_MARKED, REPORT_WAIT_S * unknowns)


def _after_refusal(
    answer: AnswerClass | None, again: ActionKind, attempts: int, refusals: int, jitter: float
) -> Action:
    pause = back_off(attempts, jitter)
    match answer:
        case AnswerClass.CONGESTION if attempts <= CONGESTION_HOLDS:
            return Action(ActionKind.HOLD_SIM, pause)
        case AnswerClass.NETWORK | AnswerClass.CONGESTION:
            return Action(again, pause)
        case AnswerClass.SIM_BUSY:
            return Action(again, SIM_BUSY_S)
        case AnswerClass.NUMBER:
            return Action(again, pause) if refusals < NUMBER_TRIES else Action(ActionKind.REFUSE, alarm=True)
        case AnswerClass.BARRED:
            return Action(ActionKind.HOLD_SIM, HOLD_BARRED_S, alarm=True)
        case AnswerClass.SIM:
            # The session finds out by itself when there is one again, and is not ready until then.
            return Action(again, pause, alarm=True)
        case AnswerClass.SERVICE_CENTRE:
            return Action(ActionKind.HOLD_SIM, HOLD_SIM_S, alarm=True)
        case AnswerClass.PDU:
            return Action(ActionKind.REFUSE, alarm=True)
        case AnswerClass.MODEM if attempts > 1:
            return Action(ActionKind.RECOVER_MODEM, pause)
        case AnswerClass.MODEM:
            return Action(again, 1.0)
        case AnswerClass.STORAGE:
            return Action(ActionKind.CLEAN_STORAGE, pause)
        case _:
            return Action(again, pause) if refusals < OTHER_TRIES else Action(ActionKind.REFUSE, alarm=True)
