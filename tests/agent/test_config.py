import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillbell_agent.config import ConfigError, dialect_settings, load, parse
from tillbell_agent.config_lines import key_lines
from tillbell_agent.pos.dialect import Line
from tillbell_agent.pos.registry import make_dialect

DIALECTS = ("escpos", "hypercom", "zvt")

CONTRACT = """\
schema = 1
state_dir = "/var/lib/tillbell"
[device]
name = "till-1"
merchant = "老王面馆"
timezone = "Asia/Shanghai"
currency = "CNY"
language = "zh"
[[source]]
name = "printer"
dialect = "escpos"
port = "/dev/serial/by-id/usb-printer"      # a pty path works too
baudrate = 9600
encoding = "gb18030"
[[modem]]
name = "sim1"
port = "/dev/ttyUSB2"
[[recipient]]
name = "owner"
phone = "+8613800138000"
format = "text"
[[recipient]]
name = "hq"
phone = "+8613900139000"
format = "sealed"
"""


def problems(text: str, **options: object) -> list[tuple[int, str]]:
    with pytest.raises(ConfigError) as caught:
        parse(text, "c.toml", dialects=DIALECTS, **options)  # type: ignore[arg-type]
    assert all(problem.file == "c.toml" for problem in caught.value.problems)
    return [(problem.line, problem.message) for problem in caught.value.problems]


def changed(old: str, new: str) -> str:
    assert CONTRACT.count(old) == 1
    return CONTRACT.replace(old, new)


def line(needle: str, text: str = CONTRACT) -> int:
    return next(n for n, content in enumerate(text.splitlines(), 1) if needle in content)


def test_the_contract_of_the_format_is_read_as_it_stands() -> None:
    config = parse(CONTRACT, "c.toml", dialects=DIALECTS)
    assert (config.schema, config.state_dir, config.ledger_days) == (1, Path("/var/lib/tillbell"), 35)
    assert config.guard_path == Path("/var/lib/tillbell.guard")
    device = config.device
    assert (device.name, device.merchant, device.short_name) == ("till-1", "老王面馆", None)
    assert (device.timezone, device.currency, device.language) == ("Asia/Shanghai", "CNY", "zh")
    (source,) = config.sources
    assert (source.port, source.baudrate, source.encoding) == (
        "/dev/serial/by-id/usb-printer",
        9600,
        "gb18030",
    )
    assert (source.bytesize, source.parity, source.stopbits, source.idle_s) == (8, "N", 1, 3.0)
    (modem,) = config.modems
    assert (modem.name, modem.port, modem.baudrate, modem.pin_file) == ("sim1", "/dev/ttyUSB2", 115200, None)
    assert [(r.name, r.phone, r.format) for r in config.recipients] == [
        ("owner", "+8613800138000", "text"),
        ("hq", "+8613900139000", "sealed"),
    ]


def test_every_optional_key_is_taken() -> None:
    text = CONTRACT.replace(
        "[device]\n", 'guard_file = "/boot/guard"\nledger_days = 7\n[device]\nshort_name = "老王"\n'
    )
    text = text.replace(
        'encoding = "gb18030"\n',
        'currency = "USD"\nidle_s = 5\ndecimal = ","\nbytesize = 7\nparity = "E"\nstopbits = 1.5\n'
        '[source.labels]\ntotal = ["应付", "Pay"]\n',
    )
    text = text.replace(
        'port = "/dev/ttyUSB2"\n', 'port = "/dev/ttyUSB2"\nbaudrate = 9600\npin_file = "pin"\n'
    )
    text += 'language = "en"\n'
    config = parse(text, "/etc/tillbell/c.toml", dialects=DIALECTS)
    assert config.guard_path == Path("/boot/guard")
    assert config.ledger_days == 7
    assert config.device.short_name == "老王"
    (source,) = config.sources
    assert source.labels == {"total": ("应付", "Pay")}
    assert (source.currency, source.idle_s, source.decimal) == ("USD", 5.0, ",")
    assert (source.bytesize, source.parity, source.stopbits) == (7, "E", 1.5)
    assert config.modems[0].pin_file == Path("/etc/tillbell/pin")
    assert config.recipients[1].language == "en"


def test_relative_paths_are_counted_from_the_file() -> None:
    text = changed('"/var/lib/tillbell"', '"state"').replace('"/dev/ttyUSB2"', '"modem"')
    config = parse(text, "/tmp/demo/c.toml", dialects=DIALECTS)
    assert config.state_dir == Path("/tmp/demo/state")
    assert config.modems[0].port == "/tmp/demo/modem"


@pytest.mark.parametrize(
    ("old", "new", "needle", "words"),
    [
        ('baudrate = 9600', 'baudrat = 9600', "baudrat", ['"baudrat"', '[[source]] "printer"', '"baudrate"']),
        ('state_dir =', 'statedir =', "statedir", ['unknown key "statedir"', '"state_dir"']),
        ('format = "text"', 'format = "txt"', '"txt"', ['"txt"', '"text"']),
        ('dialect = "escpos"', 'dialect = "escpros"', "escpros", ['Did you mean "escpos"?']),
        ('timezone = "Asia/Shanghai"', 'timezone = "Asia/Shangai"', "Shangai", ['"Asia/Shanghai"']),
        ('timezone = "Asia/Shanghai"', 'timezone = "../../etc"', "../..", ["timezone"]),
        ('currency = "CNY"', 'currency = "CNX"', "CNX", ["CNX", "Did you mean"]),
        ('currency = "CNY"', 'currency = "XAU"', "XAU", ["XAU"]),
        ('language = "zh"', 'language = "fr"', '"fr"', ["fr", "en", "zh"]),
        ('encoding = "gb18030"', 'encoding = "gb18O30"', "gb18O30", ["gb18O30", "gb18030"]),
        ('encoding = "gb18030"', 'encoding = "base64"', "base64", ["base64"]),
        ('encoding = "gb18030"', 'encoding = "utf-16"', "utf-16", ["utf-16", "gb18030"]),
        ('baudrate = 9600', 'baudrate = "9600"', "9600", ["a whole number", "'9600'"]),
        ('baudrate = 9600', 'baudrate = true', "true", ["a whole number", "true"]),
        ('baudrate = 9600', 'baudrate = 0', "baudrate = 0", ["between 50"]),
        ('merchant = "老王面馆"', 'merchant = 5', "merchant", ["text in quotes"]),
        ('merchant = "老王面馆"', 'merchant = ""', "merchant", ["empty"]),
        ('merchant = "老王面馆"', r'merchant = "a\nb"', "merchant", ["line break"]),
        ('port = "/dev/ttyUSB2"', 'port = ""', 'port = ""', ["port", "empty"]),
        ('"+8613800138000"', '"+86 13800138000"', "+86 ", ["no phone number", "+8613800138000"]),
        ('"+8613800138000"', '"+0613800138000"', "+06", ["no phone number"]),
        ('"+8613800138000"', '"+86138001380001234"', "1234", ["no phone number"]),
        ('"+8613800138000"', '"12"', '"12"', ["no phone number"]),
        ('"+8613800138000"', '"+８６13800138000"', "８６", ["no phone number"]),
        ('"+8613800138000"', '"+8613800138000\\n"', "\\n", ["no phone number"]),
        ('name = "hq"', 'name = "owner"', "name = ", ["second [[recipient]]", '"owner"']),
        ('name = "hq"', 'name = "h q"', "h q", ["without spaces"]),
        ("baudrate = 9600", 'decimal = ";"', "decimal", ['";"', "auto"]),
        ("baudrate = 9600", 'printer = "pyramide"', "printer =", ["pyramide", "pyramid"]),
        ("baudrate = 9600", 'labels = { totl = ["应付"] }', "totl", ["totl", "total"]),
        ("baudrate = 9600", 'labels = { total = ["123"] }', "total", ["123"]),
        ("baudrate = 9600", 'labels = { total = "应付" }', "total", ["list of texts"]),
        ("schema = 1", "schema = 2", "schema", ["schema 2", "schema 1"]),
        ("schema = 1", 'schema = "1"', "schema", ["schema"]),
    ],
)  # fmt: skip
def test_one_mistake_is_told_with_its_line_and_the_next_step(
    old: str, new: str, needle: str, words: list[str]
) -> None:
    text = changed(old, new)
    found = problems(text)
    at = line(needle, text) if needle != "name = " else line('"+8613900139000"', text) - 1
    told = [message for number, message in found if number == at]
    assert told, found
    assert all(any(word in message for message in told) for word in words), told


@pytest.mark.parametrize("number", ["+1234567", "+123456789012345", "10086", "110", "013800138000"])
def test_international_national_and_short_numbers_pass(number: str) -> None:
    config = parse(changed("+8613800138000", number), "c.toml", dialects=DIALECTS)
    assert config.recipients[0].phone == number


@pytest.mark.parametrize(
    ("removed", "key", "at"),
    [
        ("schema = 1\n", "schema", 1),
        ('state_dir = "/var/lib/tillbell"\n', "state_dir", 1),
        ('merchant = "老王面馆"\n', "merchant", line("[device]")),
        ('dialect = "escpos"\n', "dialect", line("[[source]]")),
        ('port = "/dev/ttyUSB2"\n', "port", line("[[modem]]")),
        ('phone = "+8613900139000"\n', "phone", line('name = "hq"') - 1),
    ],
)
def test_a_missing_required_key_is_told_at_its_table(removed: str, key: str, at: int) -> None:
    found = problems(changed(removed, ""))
    assert [(number, f'"{key}"' in message) for number, message in found] == [(at, True)]


def test_all_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    text = changed("merchant =", "mrchant =").replace('"CNY"', "7").replace("+8613900139000", "x")
    found = problems(text)
    assert [number for number, _ in found] == sorted(number for number, _ in found)
    assert len(found) == 4  # unknown, missing, wrong type, no phone number


def test_a_wrong_label_is_told_where_it_stands() -> None:
    text = changed('encoding = "gb18030"\n', '[source.labels]\ntotal = ["应付"]\ntotl = ["应付"]\n')
    assert [number for number, _ in problems(text)] in ([line("totl", text)], [line("[source.labels]", text)])


def test_the_settings_of_a_dialect_come_from_its_source_and_the_device() -> None:
    config = parse(changed("baudrate = 9600", 'date_order = "dmy"'), "c.toml")
    settings = dialect_settings(config.sources[0], config.device)
    assert (settings.currency, settings.encoding, settings.date_order) == ("CNY", "gb18030", "dmy")
    assert make_dialect(config.sources[0].dialect, settings).next_deadline() is None


def test_a_missing_device_table_is_one_problem_and_its_keys_follow() -> None:
    text = CONTRACT[: CONTRACT.index("[device]")] + CONTRACT[CONTRACT.index("[[source]]") :]
    assert any("[device] is missing" in message for _, message in problems(text))


def test_the_same_key_in_the_second_of_two_tables_is_told_at_the_second() -> None:
    text = CONTRACT + '[[source]]\nname = "two"\ndialect = "escpos"\nport = "/dev/b"\nbaud = 1\n'
    assert [number for number, _ in problems(text)] == [line("baud = 1", text)]


def test_two_sources_on_one_port_are_refused_at_the_second() -> None:
    text = CONTRACT + '[[source]]\nname = "two"\ndialect = "escpos"\nport = "/dev/serial/by-id/usb-printer"\n'
    ((at, message),) = problems(text)
    assert at == len(text.splitlines())
    assert 'source "two"' in message
    assert 'source "printer"' in message


def test_a_source_and_a_modem_on_one_port_behind_two_names_are_refused() -> None:
    real = {"/dev/serial/by-id/usb-printer": "/dev/ttyUSB2"}
    ((at, message),) = problems(CONTRACT, resolve=lambda port: real.get(port, port))
    assert at == line('"/dev/ttyUSB2"')
    assert 'modem "sim1"' in message


def test_the_guard_inside_the_state_directory_is_refused() -> None:
    text = changed(
        'state_dir = "/var/lib/tillbell"',
        'state_dir = "/var/lib/tillbell"\nguard_file = "/var/lib/tillbell/g"',
    )
    assert [number for number, _ in problems(text)] == [3]


def test_text_that_is_no_toml_is_told_with_its_line() -> None:
    ((at, message),) = problems(changed('currency = "CNY"', "currency = CNY"))
    assert at == line('currency = "CNY"')
    assert "no TOML" in message


@pytest.mark.parametrize(
    "value", ["source = 5", "source = [1]", 'source = "x"', "device = 5", "[source]\nname = 'x'"]
)
def test_a_table_of_the_wrong_shape_is_a_problem(value: str) -> None:
    found = problems('schema = 1\nstate_dir = "/s"\n' + value)
    assert any(number == 3 for number, _ in found)


def test_files_of_conf_d_join_the_main_file(tmp_path: Path) -> None:
    head, tail = CONTRACT[: CONTRACT.index("[[modem]]")], CONTRACT[CONTRACT.index("[[modem]]") :]
    (tmp_path / "config.toml").write_text(head, encoding="utf-8")
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "10-modem.toml").write_text(tail, encoding="utf-8")
    (tmp_path / "conf.d" / "20-device.toml").write_text('[device]\nshort_name = "老王"\n', encoding="utf-8")
    config = load(tmp_path / "config.toml")
    assert [r.name for r in config.recipients] == ["owner", "hq"]
    assert config.device.short_name == "老王"


def test_a_problem_in_conf_d_names_that_file_and_its_line(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(CONTRACT, encoding="utf-8")
    (tmp_path / "conf.d").mkdir()
    extra = tmp_path / "conf.d" / "a.toml"
    extra.write_text(
        '[[recipient]]\nname = "x"\nphone = "?"\nformat = "text"\n[device]\nname = "y"\n', encoding="utf-8"
    )
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "config.toml")
    told = {(p.file, p.line): p.message for p in caught.value.problems}
    assert set(told) == {(str(extra), 3), (str(extra), 6)}
    assert f"{tmp_path / 'config.toml'}:4" in told[str(extra), 6]


def test_two_links_to_one_port_are_seen_when_loading(tmp_path: Path) -> None:
    (tmp_path / "real").touch()
    (tmp_path / "a").symlink_to("real")
    (tmp_path / "b").symlink_to("real")
    text = CONTRACT.replace("/dev/serial/by-id/usb-printer", "a").replace("/dev/ttyUSB2", "b")
    (tmp_path / "config.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="uses already"):
        load(tmp_path / "config.toml")


def test_a_file_that_cannot_be_read_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="tillbell init"):
        load(tmp_path / "absent.toml")
    (tmp_path / "latin.toml").write_bytes(b"schema = 1\n# \xe4\n")
    with pytest.raises(ConfigError, match=r"latin.toml:2: .*UTF-8"):
        load(tmp_path / "latin.toml")


@given(st.text())
def test_any_text_is_a_configuration_or_a_list_of_problems(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "c.toml", dialects=DIALECTS)
    assert caught.value.problems
    last = text.count("\n") + 1
    assert all(1 <= problem.line <= last for problem in caught.value.problems)


@given(st.data())
def test_one_altered_character_never_crashes_the_reader(data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(CONTRACT) - 1))
    text = CONTRACT[:position] + data.draw(st.text(max_size=3)) + CONTRACT[position + 1 :]
    try:
        parse(text, "c.toml", dialects=DIALECTS)
    except ConfigError as error:
        assert error.problems  # noqa: PT017 (either outcome is right; nothing else may escape)


_KEYS = st.one_of(
    st.text("abcXYZ09_-", min_size=1, max_size=5),
    st.text("ab .#[]='", max_size=5).filter(lambda s: "'" not in s).map(lambda s: f"'{s}'"),
    st.text('ab .#[]=\\"', max_size=5).map(lambda s: '"' + s.replace("\\", "\\\\").replace('"', '\\"') + '"'),
)
_VALUES = st.sampled_from(
    [
        "1",
        '"a # b [c]"',
        "'\\'",
        '"""\n[[x]]\nk = 1\n"""""',
        "'''\n# '' x\n''''",
        "[\n 1, # ]\n 2,\n]",
        "{a = 1, b = { c = '}' }}",
        '[["x", "]"], ["#"]]',
        "2026-11-21T10:00:00Z # time",
    ]
)


@given(
    st.lists(
        st.tuples(_KEYS, _VALUES, st.sampled_from(["", "\n", "  # [c]\n", "[t%d]\n", "[[r]]\n"])), max_size=8
    )
)
def test_every_key_is_found_on_the_line_where_it_stands(rows: list[tuple[str, str, str]]) -> None:
    text, expected, table = "", {}, ()
    repeated = 0
    for place, (key, value, before) in enumerate(rows):
        if before.startswith("[t"):
            before = before % place  # noqa: PLW2901
            table = (f"t{place}",)
        elif before.startswith("[["):
            table = ("r", repeated)
            repeated += 1
        text += before
        name = next(iter(tomllib.loads(f"{key} = 1")))
        if (*table, name) in expected or (not table and name in ("r",)):
            continue
        expected[(*table, name)] = text.count("\n") + 1
        text += f"{key} = {value}\n"
    tomllib.loads(text)
    lines = key_lines(text)
    assert {path: lines.get(path) for path in expected} == expected


# Two lines.

TWO_LINES = CONTRACT.replace('"escpos"', '"hypercom"').replace(
    'port = "/dev/serial/by-id/usb-printer"      # a pty path works too', 'port = "/dev/one"'
)
TWO = 'port_terminal = "/dev/terminal"\nport_till = "/dev/till"'


def test_a_terminal_may_be_tapped_on_both_lines() -> None:
    config = parse(TWO_LINES.replace('port = "/dev/one"', TWO), "c.toml", dialects=DIALECTS)
    assert set(config.sources[0].taps) == {(Line.TERMINAL, "/dev/terminal"), (Line.TILL, "/dev/till")}
    assert config.sources[0].where == "/dev/till and /dev/terminal"


@pytest.mark.parametrize(
    ("ports", "why"),
    [
        ("", "has no port"),
        ('port = "/dev/one"\n' + TWO, "Remove one of them"),
        ('port_terminal = "/dev/terminal"', "go together"),
        ('port_till = "/dev/till"', "go together"),
        ('port_terminal = "/dev/same"\nport_till = "/dev/same"', "uses already"),
    ],
)
def test_ports_that_make_no_sense_are_named(ports: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        parse(TWO_LINES.replace('port = "/dev/one"', ports), "c.toml", dialects=DIALECTS)


def test_a_printer_has_one_line() -> None:
    text = TWO_LINES.replace('port = "/dev/one"', TWO).replace('"hypercom"', '"escpos"')
    with pytest.raises(ConfigError, match="one line only"):
        parse(text, "c.toml")


# A bridge.

BRIDGED = CONTRACT.replace("/dev/serial/by-id/usb-printer", "bridge:tap/1") + (
    '[[bridge]]\nname = "tap"\nport = "/dev/ttyACM0"\nkey_file = "tap.key"\n'
)


def test_a_terminal_may_be_heard_by_a_bridge() -> None:
    config = parse(BRIDGED, "/etc/tillbell/c.toml", dialects=DIALECTS)
    (bridge,), (source,) = config.bridges, config.sources
    assert (bridge.name, bridge.port, bridge.baudrate) == ("tap", "/dev/ttyACM0", 115200)
    assert bridge.key_file == Path("/etc/tillbell/tap.key")
    assert (source.bridge, source.port, source.where) == ("tap", "bridge:tap/1", "bridge:tap/1")
    assert source.octet_s == pytest.approx(10 / 9600)
    assert parse(CONTRACT, "c.toml", dialects=DIALECTS).sources[0].bridge is None


def test_both_lines_of_a_terminal_may_be_heard_by_one_bridge_whatever_the_order_of_its_channels() -> None:
    both = 'port_terminal = "bridge:tap/2"\nport_till = "bridge:tap/1"'
    text = BRIDGED.replace('"escpos"', '"hypercom"').replace('port = "bridge:tap/1"', both)
    (source,) = parse(text, "c.toml", dialects=DIALECTS).sources
    assert source.bridge == "tap"
    assert source.taps == ((Line.TILL, "bridge:tap/1"), (Line.TERMINAL, "bridge:tap/2"))


SECOND = '[[source]]\nname = "second"\ndialect = "escpos"\nport = "%s"\n'


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("bridge:tap/1", "bridge:tab/1", 'no bridge is named "tab". Did you mean "tap"?'),
        ("bridge:tap/1", "bridge:tap/3", 'channels 1 and 2, not "3". Write bridge:tap/1'),
        ("bridge:tap/1", "bridge:tap", 'channels 1 and 2, not "". Write bridge:tap/1'),
        ('[[bridge]]\nname = "tap"\nport = "/dev/ttyACM0"\nkey_file = "tap.key"\n', "", "There is no [[bridge]]. Add one"),
        ('key_file = "tap.key"\n', "", 'lacks the key "key_file"'),
        ("/dev/ttyACM0", "/dev/ttyUSB2", "uses already"),
        ("/dev/ttyUSB2", "bridge:tap/2", "Name a serial port"),
        ("[[bridge]]", SECOND % "bridge:tap/1" + "[[bridge]]", 'source "printer" uses already'),
    ],
)  # fmt: skip
def test_a_bridge_that_makes_no_sense_is_named(old: str, new: str, words: str) -> None:
    assert BRIDGED.count(old) == 1
    found = problems(BRIDGED.replace(old, new))
    assert any(words in message for _, message in found), found


def test_two_lines_of_one_terminal_come_through_one_bridge() -> None:
    both = 'port_terminal = "bridge:tap/2"\nport_till = "/dev/till"'
    text = BRIDGED.replace('"escpos"', '"hypercom"').replace('port = "bridge:tap/1"', both)
    ((at, message),) = problems(text)
    assert "not of one bridge" in message
    assert at == line("port_till", text)


# A specification of fields, whose file stands beside the configuration.
SPEC = """
approved = ["00"]
[framing]
length = ["binary"]
[message]
mti = "ascii"
bitmap = ["ascii"]
data_enc = "ascii"
[fields]
11 = { max_len = 6, means = "stan" }
39 = { max_len = 2, means = "result_code" }
[[kinds]]
mti = "0210"
kind = "sale"
"""


def with_spec(tmp_path: Path, spec: str | None) -> Path:
    text = changed('dialect = "escpos"\n', 'dialect = "iso8583"\nspec = "host.toml"\n')
    (tmp_path / "config.toml").write_text(text, encoding="utf-8")
    if spec is not None:
        (tmp_path / "host.toml").write_text(spec, encoding="utf-8")
    return tmp_path / "config.toml"


def test_a_specification_beside_the_configuration_is_read_and_reaches_the_dialect(tmp_path: Path) -> None:
    config = load(with_spec(tmp_path, SPEC))
    assert config.sources[0].spec == tmp_path / "host.toml"
    assert dialect_settings(config.sources[0], config.device).spec == SPEC


def test_each_mistake_in_a_specification_is_told_with_the_specification_s_file_and_line(
    tmp_path: Path,
) -> None:
    wrong = SPEC.replace("max_len = 6", "max_len = -6").replace('kind = "sale"', 'kind = "sael"')
    with pytest.raises(ConfigError) as error:
        load(with_spec(tmp_path, wrong))
    first, second = error.value.problems
    assert (first.file, first.line) == (str(tmp_path / "host.toml"), line("11 =", wrong))
    assert "field 11" in first.message
    assert (second.file, second.line) == (str(tmp_path / "host.toml"), line("sael", wrong))
    assert 'Did you mean "sale"?' in second.message


def test_a_specification_that_is_not_there_is_told_at_the_key_that_names_it(tmp_path: Path) -> None:
    path = with_spec(tmp_path, None)
    with pytest.raises(ConfigError) as error:
        load(path)
    (problem,) = error.value.problems
    assert (problem.file, problem.line) == (str(path), line("host.toml", path.read_text("utf-8")))
    assert "host.toml cannot be read: No such file" in problem.message


def test_an_empty_specification_is_a_mistake_and_not_the_built_in_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"host.toml:1: .*approved"):
        load(with_spec(tmp_path, ""))
