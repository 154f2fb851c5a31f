"""The whole truth table of what follows an outcome: every combination has a row, and nobody else decides."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillbell_agent.modem.results import AnswerClass
from tillbell_agent.retry import BACK_OFF_S, Action, ActionKind, Outcome, back_off, next_action

CLASSES = ("alert", "service", "txn", "report", "receipt", "promo")
FORMATS = ("text", "sealed", "armored")
AGAIN, MARKED = ActionKind.SEND_AGAIN, ActionKind.SEND_AGAIN_MARKED
LEAVE, REFUSE, EXPIRE = ActionKind.LEAVE_UNKNOWN, ActionKind.REFUSE, ActionKind.EXPIRE


def decide(
    outcome: Outcome,
    answer: AnswerClass | None = None,
    *,
    message_class: str = "txn",
    message_format: str = "text",
    attempts: int = 1,
    unknowns: int = 0,
    refusals: int | None = None,
    too_late: bool = False,
) -> Action:
    return next_action(
        outcome=outcome,
        answer=answer,
        message_class=message_class,
        message_format=message_format,
        attempts=attempts,
        unknowns=unknowns,
        refusals=attempts if refusals is None else refusals,
        age_s=86_400.0 if too_late else 10.0,
        lifetime_s=86_400.0,
        jitter=0.0,
    )


# class → what follows the first, second, third and fourth unknown outcome of a readable text.
AFTER_UNKNOWN_TEXT = {
    "alert": (MARKED, MARKED, MARKED, LEAVE),
    "txn": (MARKED, LEAVE, LEAVE, LEAVE),
    "report": (MARKED, LEAVE, LEAVE, LEAVE),
    "service": (MARKED, LEAVE, LEAVE, LEAVE),
    "receipt": (LEAVE, LEAVE, LEAVE, LEAVE),
    "promo": (LEAVE, LEAVE, LEAVE, LEAVE),
}
UNKNOWN_ENDS = [(Outcome.UNKNOWN, None), (Outcome.REFUSED, AnswerClass.OUTCOME_UNKNOWN)]


@pytest.mark.parametrize(("outcome", "answer"), UNKNOWN_ENDS)
@pytest.mark.parametrize("message_class", CLASSES)
def test_a_text_of_unknown_outcome_is_repeated_by_its_class_and_always_marked(
    message_class: str, outcome: Outcome, answer: AnswerClass | None
) -> None:
    for times, wanted in enumerate(AFTER_UNKNOWN_TEXT[message_class], start=1):
        action = decide(outcome, answer, message_class=message_class, attempts=times, unknowns=times)
        assert action.kind is wanted
        # A status report gets its chance before anything is repeated.
        assert action.delay_s == (60.0 * times if wanted is MARKED else 0.0)


@pytest.mark.parametrize(("outcome", "answer"), UNKNOWN_ENDS)
@pytest.mark.parametrize(("message_class", "message_format"), list(product(CLASSES, ("sealed", "armored"))))
def test_a_counted_message_of_unknown_outcome_goes_again_as_it_is(
    message_class: str, message_format: str, outcome: Outcome, answer: AnswerClass | None
) -> None:
    for times in range(1, 12):
        action = decide(
            outcome,
            answer,
            message_class=message_class,
            message_format=message_format,
            attempts=times,
            unknowns=times,
        )
        assert action.kind is AGAIN
        assert action.delay_s == BACK_OFF_S[min(times, len(BACK_OFF_S)) - 1]


@pytest.mark.parametrize(("message_class", "message_format"), list(product(CLASSES, FORMATS)))
def test_what_is_too_late_is_expired_or_stays_unknown(message_class: str, message_format: str) -> None:
    kinds = {"message_class": message_class, "message_format": message_format, "too_late": True}
    for outcome, answer in [(Outcome.NOT_SENT, None), *((Outcome.REFUSED, answer) for answer in AnswerClass)]:
        unknown_now = answer is AnswerClass.OUTCOME_UNKNOWN
        assert decide(outcome, answer, **kinds).kind is (LEAVE if unknown_now else EXPIRE)  # type: ignore[arg-type]
        assert decide(outcome, answer, unknowns=1, **kinds).kind is LEAVE  # type: ignore[arg-type]
    assert decide(Outcome.UNKNOWN, unknowns=1, **kinds).kind is LEAVE  # type: ignore[arg-type]


@pytest.mark.parametrize(("message_class", "message_format"), list(product(CLASSES, FORMATS)))
def test_what_was_never_written_goes_again_without_a_mark(message_class: str, message_format: str) -> None:
    action = decide(Outcome.NOT_SENT, message_class=message_class, message_format=message_format)
    assert action == Action(AGAIN, 5.0)


# answer → what follows at the first, second, third, fourth attempt: (kind, alarm)
AFTER_REFUSAL = {
    AnswerClass.NETWORK: [(AGAIN, False)] * 4,
    AnswerClass.CONGESTION: [*[(ActionKind.HOLD_SIM, False)] * 3, (AGAIN, False)],
    AnswerClass.SIM_BUSY: [(AGAIN, False)] * 4,
    AnswerClass.NUMBER: [(AGAIN, False), (AGAIN, False), (REFUSE, True), (REFUSE, True)],
    AnswerClass.BARRED: [(ActionKind.HOLD_SIM, True)] * 4,
    AnswerClass.SIM: [(AGAIN, True)] * 4,
    AnswerClass.SERVICE_CENTRE: [(ActionKind.HOLD_SIM, True)] * 4,
    AnswerClass.PDU: [(REFUSE, True)] * 4,
    AnswerClass.MODEM: [(AGAIN, False), *[(ActionKind.RECOVER_MODEM, False)] * 3],
    AnswerClass.STORAGE: [(ActionKind.CLEAN_STORAGE, False)] * 4,
    AnswerClass.OTHER: [(AGAIN, False), (AGAIN, False), (AGAIN, False), (REFUSE, True)],
}


def test_every_class_of_answer_has_a_row() -> None:
    assert set(AFTER_REFUSAL) | {AnswerClass.OUTCOME_UNKNOWN} == set(AnswerClass)


@pytest.mark.parametrize(("message_class", "message_format"), list(product(CLASSES, FORMATS)))
@pytest.mark.parametrize("answer", AFTER_REFUSAL)
def test_a_refusal_is_followed_by_its_class_of_answer(
    answer: AnswerClass, message_class: str, message_format: str
) -> None:
    for attempts, wanted in enumerate(AFTER_REFUSAL[answer], start=1):
        kinds = {"message_class": message_class, "message_format": message_format, "attempts": attempts}
        action = decide(Outcome.REFUSED, answer, **kinds)  # type: ignore[arg-type]
        assert (action.kind, action.alarm) == wanted
        assert action.delay_s > 0 or action.kind is REFUSE
        # An earlier copy may be out: a text is marked, and a refusal of this copy is not the last word on the other.
        action = decide(Outcome.REFUSED, answer, unknowns=1, **kinds)  # type: ignore[arg-type]
        kind = (
            {AGAIN: MARKED, REFUSE: LEAVE}.get(wanted[0], wanted[0])
            if message_format == "text"
            else (LEAVE if wanted[0] is REFUSE else wanted[0])
        )
        assert (action.kind, action.alarm) == (kind, wanted[1])


@pytest.mark.parametrize("answer", [AnswerClass.NUMBER, AnswerClass.OTHER])
def test_a_night_without_network_does_not_count_against_a_message(answer: AnswerClass) -> None:
    assert decide(Outcome.REFUSED, answer, attempts=40, refusals=1).kind is AGAIN
    assert decide(Outcome.REFUSED, answer, attempts=40, refusals=4).kind is REFUSE


def test_a_refusal_without_a_class_is_treated_as_a_code_without_a_rule() -> None:
    assert decide(Outcome.REFUSED, None) == decide(Outcome.REFUSED, AnswerClass.OTHER)


def test_a_class_that_nobody_knows_is_never_repeated() -> None:
    assert decide(Outcome.UNKNOWN, message_class="greeting", unknowns=1).kind is LEAVE


@given(st.integers(-1, 100), st.floats(0, 1))
def test_pauses_grow_and_stay_within_an_hour(attempts: int, jitter: float) -> None:
    assert 5.0 <= back_off(attempts, jitter) <= 3600.0
    assert back_off(attempts, jitter) <= back_off(attempts + 1, jitter)
    assert back_off(attempts, 0.0) <= back_off(attempts, jitter)
    assert back_off(1, jitter) == pytest.approx(5.0 + 1.25 * jitter)


@given(
    st.sampled_from(Outcome), st.none() | st.sampled_from(AnswerClass), st.sampled_from(CLASSES), st.integers(1, 50),
    st.integers(0, 50), st.booleans(),
)  # fmt: skip
def test_a_text_that_may_be_out_never_goes_again_unmarked(
    outcome: Outcome,
    answer: AnswerClass | None,
    message_class: str,
    attempts: int,
    unknowns: int,
    too_late: bool,
) -> None:
    action = decide(
        outcome, answer, message_class=message_class, attempts=attempts, unknowns=unknowns, too_late=too_late
    )
    if unknowns or outcome is Outcome.UNKNOWN:
        assert action.kind not in (AGAIN, EXPIRE, REFUSE)
    else:
        assert action.kind is not LEAVE or answer is AnswerClass.OUTCOME_UNKNOWN
