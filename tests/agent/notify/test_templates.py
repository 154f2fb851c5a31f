import itertools
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillbell_agent.notify.templates import FIELDS, Template, TemplateError, load_template
from tillbell_agent.notify.wording import KINDS, WORDS, forms
from tillbell_protocol.sms.segment import count_segments, is_gsm7, septet_length

LAST_RESORTS = [
    forms(language, kind, known)[-1]
    for language, kind, known in itertools.product(WORDS, KINDS, (True, False))
]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("$merchant, $money", r"\$check must stand once"),
        ("$check, $money, $check", r"\$check must stand once"),
        ("$money, $check.", "at the very end"),
        ("$money[1:, $check]", "outside brackets"),
        ("$money, check $check 1", "at the very end"),
        ("$money $check", "only white space"),
        ("$money$check", "only white space"),
        ("$merchant $money, $check", "only white space"),
        ("$merchant\u3000$money, $check", "only white space"),
        ("$merchant[1:, $when] $money, $check", "only white space"),
        ("$merchant[1:, $when][2: ,] $money, $check", "only white space"),
        ("$merchant[1:, $when|:$scheme ]$money, $check", "only white space"),
        ("$money, 7$check", "a digit"),
        ("$money, code ７:$check", "a digit"),
        ("$amout, $check", r'unknown field "\$amout"'),
        ("$money.real, $Check", "lower case|very end"),
        ("100 $ for $money, $check", "lone"),
        ("$money [1, $when], $check", "square brackets"),
        ("$money [1:, $when, $check", "square brackets"),
        ("", "very end"),
    ],
)
def test_a_template_that_would_weaken_the_code_or_cannot_be_filled_is_refused(text: str, why: str) -> None:
    with pytest.raises(TemplateError, match=why) as caught:
        load_template("t", text)
    assert caught.value.field == "t"


def test_words_between_fields_and_the_sign_itself_pass() -> None:
    template = load_template("t", "$merchant: ${money} = $$[1:, $when], $check")
    values = {"merchant": "m", "money": "1.00", "check": "123456"}
    assert template.fill(values) == "m: 1.00 = $, 123456"
    assert template.fill({**values, "when": "now"}) == "m: 1.00 = $, now, 123456"
    assert template.fill({**values, "when": "now"}, above=1) == "m: 1.00 = $, 123456"


def test_a_fixed_field_without_a_value_is_an_error_that_names_it() -> None:
    with pytest.raises(TemplateError, match="merchant"):
        load_template("t", "$merchant, $check").fill({"check": ""})


def longest(template: Template, known: dict[str, str]) -> str:
    """Each part's longest alternative, whichever would really be chosen, every field as long as it may be."""
    values = {name: known.get(name, "字" * maximum) for name, maximum in FIELDS.items()}
    return "".join(
        max((string.Template(text).substitute(values) for text in part.alternatives), key=len)
        for part in template.parts
    )


@pytest.mark.parametrize("template", LAST_RESORTS, ids=lambda template: template.name)
def test_every_built_in_last_resort_is_one_segment_at_its_worst(template: Template) -> None:
    known = {"pending": WORDS[template.name[:2]].pending, "seq": "9" * FIELDS["seq"], "check": "9" * 6}
    money = "CNY 90071992547409.91" if template.name.startswith("en") else "90071992547409.91元"
    worst = WORDS[template.name[:2]].repeat + longest(template, {**known, "money": money})
    assert count_segments(worst) == 1
    assert (septet_length(worst) <= 160) if is_gsm7(worst) else (len(worst) <= 70)


@given(st.text(max_size=40))
def test_any_text_is_a_template_or_a_template_error(text: str) -> None:
    try:
        template = load_template("t", text)
    except TemplateError:
        return
    assert template.parts


_PIECES = st.lists(
    st.sampled_from(
        [
            "$merchant",
            "$money",
            "$when",
            ", ",
            " ",
            "x",
            "7",
            "[1:",
            "[2:",
            "|",
            "]",
            "$check",
            "校验",
            "\u3000",
        ]
    ),
    max_size=9,
)


@given(_PIECES, st.sets(st.sampled_from(["merchant", "money", "when"])))
def test_no_accepted_template_ever_puts_two_values_side_by_side(pieces: list[str], known: set[str]) -> None:
    try:
        template = load_template("t", "".join(pieces) + ", $check")
    except TemplateError:
        return
    values = {name: f"<{name}>" for name in known} | {"check": "<check>"}
    for above in (0, 1, 2):
        try:
            text = template.fill(values, above=above)
        except TemplateError:
            continue  # a fixed field that is not known
        assert "><" not in "".join(text.split())
        assert text.endswith("<check>")
        assert not any(f"{digit}<" in text or f">{digit}" in text for digit in "0123456789")
