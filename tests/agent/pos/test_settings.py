"""A source's settings and its dialect's name: wrong ones are refused with the nearest right name."""

import pytest

from tillbell_agent.pos.dialect import Dialect
from tillbell_agent.pos.labels import BUILT_IN, VALUE_FIELDS
from tillbell_agent.pos.registry import DIALECTS, DialectSettings, SettingsError, make_dialect


@pytest.mark.parametrize("name", DIALECTS)
def test_every_registered_dialect_can_be_made(name: str) -> None:
    dialect: Dialect = make_dialect(name, DialectSettings())
    assert dialect.receive_data(b"", 0.0) == []
    assert dialect.next_deadline() is None


def test_unknown_dialect_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(SettingsError, match=r"dialect: unknown name 'escpso'; did you mean 'escpos'\?"):
        make_dialect("escpso", DialectSettings())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("encoding", "gb18031"),
        ("encoding", "base64"),
        ("encoding", "utf-16"),
        ("currency", "yuan"),
        ("currency", "cny"),
        ("idle_s", 0.0),
        ("idle_s", float("nan")),
        ("idle_s", 61.0),
        ("decimal", ";"),
        ("date_order", "ydm"),
        ("printer", "epsom"),
    ],
)
def test_wrong_setting_names_its_field(field: str, value: object) -> None:
    with pytest.raises(SettingsError) as error:
        DialectSettings(**{field: value})  # type: ignore[arg-type]
    assert error.value.field == field
    assert isinstance(error.value, ValueError)


def test_unknown_label_field_names_the_nearest() -> None:
    with pytest.raises(SettingsError, match=r"labels: unknown name 'totals'; did you mean 'total'\?"):
        make_dialect("escpos", DialectSettings(labels={"totals": ["应付"]}))


@pytest.mark.parametrize("words", ["应付", [7], [""], ["  "], ["::"], ["应" * 61]])
def test_label_that_can_match_nothing_is_refused(words: object) -> None:
    with pytest.raises(SettingsError, match=r"labels\.total"):
        BUILT_IN.extended({"total": words})  # type: ignore[dict-item]


def test_added_label_is_taken_from_the_field_that_had_it() -> None:
    labels = BUILT_IN.extended({"total": ["应收"], "other": ["Amount"]})
    assert "应收" in labels.total
    assert "应收" not in labels.due
    assert "AMOUNT" not in labels.amount


def test_every_value_field_has_words() -> None:
    assert all(getattr(BUILT_IN, name) for name in VALUE_FIELDS)
