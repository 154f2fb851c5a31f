"""The table of codes, written out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillbell_agent.modem.results import AnswerClass, classify

TABLE = {
    AnswerClass.NETWORK: ([27, 38, 41], []),
    AnswerClass.CONGESTION: ([42, 47, 331], [30, 32]),
    AnswerClass.OUTCOME_UNKNOWN: ([332, 500], [31, 100]),
    AnswerClass.NUMBER: ([1, 21, 28, 30], []),
    AnswerClass.BARRED: ([8, 10, 29, 50], []),
    AnswerClass.PDU: ([304, 305], []),
    AnswerClass.SIM: ([310, 311, 312, 313, 315, 316, 317, 318], [10, 11, 12, 13, 15, 16, 17, 18]),
    AnswerClass.SIM_BUSY: ([314], [14]),
    AnswerClass.MODEM: ([300, 301, 302, 512, 513, 999], [3, 4]),
    AnswerClass.STORAGE: ([320, 322], [20]),
    AnswerClass.SERVICE_CENTRE: ([330], []),
    AnswerClass.OTHER: ([2, 96, 127, 303, 321], [0, 50, 515]),
}
ROWS = [
    (kind, code, wanted)
    for wanted, codes in TABLE.items()
    for kind, row in zip(("CMS", "CME"), codes, strict=True)
    for code in row
]


@pytest.mark.parametrize(("kind", "code", "wanted"), ROWS)
def test_each_code_has_its_class(kind: str, code: int, wanted: AnswerClass) -> None:
    assert classify(kind, code) is wanted


def test_a_plain_error_is_the_modem_s_and_words_are_no_code() -> None:
    assert classify("ERROR", None) is AnswerClass.MODEM
    assert classify("CMS", None) is AnswerClass.OTHER
    assert classify("CME", None) is AnswerClass.OTHER


@given(st.sampled_from(["CMS", "CME", "ERROR"]), st.none() | st.integers(0, 99_999))
def test_every_code_has_a_class(kind: str, code: int | None) -> None:
    assert isinstance(classify(kind, code), AnswerClass)
