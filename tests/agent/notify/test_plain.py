from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillbell_agent.notify.plain import render_plain, render_test
from tillbell_protocol.sms.segment import count_segments, is_gsm7

WHEN = datetime(2026, 11, 21, 14, 5)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_test_text_says_that_nothing_was_sold_in_one_segment(language: str) -> None:
    merchant = "老王面馆" if language == "zh" else "Harbour Coffee"
    text = render_test(merchant, "till-1", language, WHEN)
    assert merchant in text
    assert "till-1" in text
    assert "14:05" in text
    assert ("并无交易" if language == "zh" else "Nothing was sold") in text
    assert count_segments(text) == 1


def test_free_words_lose_controls_and_card_numbers_but_keep_line_breaks() -> None:
    text = render_plain("a\r\nb\x1b\x00 4111 1111 1111 1111", "zh")
    assert text == "a\nb ****1111"


def test_english_words_take_the_gsm_alphabet_where_that_is_harmless() -> None:
    assert render_plain("“Zoë” – it’s ５", "en") == '"Zoe" - it\'s 5'
    assert render_plain("“Zoë”", "zh") == "“Zoë”"
    assert is_gsm7(render_plain("¥ € [é]", "en"))


@given(st.text(), st.sampled_from(["zh", "en"]))
def test_any_words_can_be_counted_in_segments(text: str, language: str) -> None:
    assert count_segments(render_plain(text, language)) >= 1
