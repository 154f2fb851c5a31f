"""A verdict in words, and the block to paste into the configuration."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping

from tillbell_agent.pos.dialect import Line
from tillbell_agent.pos.registry import DIALECTS
from tillbell_agent.probe.pairs import Pair, find_pairs
from tillbell_agent.probe.setting import Setting
from tillbell_agent.probe.verdict import Finding, Verdict

_WHOSE = {
    Line.TERMINAL: "the terminal's line",
    Line.TILL: "the till's line",
    None: "both ends, or not told apart",
}


def headline(verdict: Verdict) -> str:
    """``zvt at 9600 8N2, the terminal's line``."""
    match verdict.finding:
        case Finding.TERMINAL if verdict.speakers:
            return f"{verdict.dialects[0]} at {verdict.setting}, {_WHOSE[verdict.speaker]}"
        case Finding.TERMINAL:
            return f"{verdict.dialects[0]} at {verdict.setting}"
        case Finding.MODEM:
            return f"a modem at {verdict.setting}"
        case Finding.BRIDGE:
            return f"a firmware bridge at {verdict.setting}"
        case Finding.UNSURE:
            return f"not sure: {' or '.join(verdict.dialects)} at {verdict.setting}, heard too little"
        case Finding.UNKNOWN:
            at = f" at {verdict.setting}" if verdict.setting else ""
            return f"something speaks{at}, in no dialect that is known here"
        case Finding.SILENT:
            return "nothing heard"


def evidence(verdict: Verdict) -> str:
    """``4 frames with a correct LRC at 9600 8N1 in 32 s``."""
    heard = ", ".join(f"{number} {kind}" for kind, number in sorted(verdict.kinds.items()))
    if not heard:
        return f"{verdict.octets} octets in {verdict.seconds:.0f} s"
    told = f"; the dialect understood {_counted(verdict.told, 'transaction')}" if verdict.told else ""
    return f"{heard} at {verdict.setting} in {verdict.seconds:.0f} s{told}"


def remarks(verdict: Verdict) -> Iterator[str]:
    """What is only assumed, and what to do."""
    if verdict.finding is Finding.SILENT:
        yield "Is it a modem's line? Ask it with --ask-modem. A terminal's? Make a sale, or listen longer with --seconds"
    if verdict.finding in (Finding.UNKNOWN, Finding.UNSURE):
        yield "Listen longer with --seconds while sales are made, or record the line: tillbell capture"
    if verdict.finding is Finding.BRIDGE:
        yield "Its key is in the file that tillbell flash wrote; what it hears is a source's port, as bridge:NAME/1"
    if verdict.finding is not Finding.TERMINAL:
        return
    if not verdict.parity_known:
        yield "Parity is assumed: this port does not show whether the octets carry one, and hears them all the same"
    elif not verdict.stopbits_known:
        yield "One stop bit is assumed; a listener hears two the same"
    row = DIALECTS[verdict.dialects[0]]
    if row.two_lines and verdict.speaker is row.asks:
        yield "These are the questions only; whether a payment succeeds stands in the answers: tap the other line too"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def source_blocks(verdicts: Mapping[str, Verdict]) -> list[str]:
    """A ``[[source]]`` for each terminal that is sure; two ports in one where they belong together."""
    pairs = find_pairs(verdicts)
    paired = {path: pair for pair in pairs for path in (pair.terminal, pair.till)}
    names: Counter[str] = Counter()
    blocks = []
    for path, verdict in verdicts.items():
        pair = paired.get(path)
        if verdict.dialect is None or (pair is not None and path != pair.terminal):
            continue
        names[verdict.dialect] += 1
        number = names[verdict.dialect]
        name = verdict.dialect if number == 1 else f"{verdict.dialect}-{number}"
        blocks.append("\n".join(_block(name, path, verdict, pair)))
    return blocks


def bridge_blocks(verdicts: Mapping[str, Verdict]) -> list[str]:
    """A ``[[bridge]]`` for each; its key is in the file that ``tillbell flash`` wrote."""
    found = [path for path, verdict in verdicts.items() if verdict.finding is Finding.BRIDGE]
    return [
        f'[[bridge]]\nname = "bridge{number}"\nport = {json.dumps(path)}\nkey_file = "bridge{number}.key"'
        for number, path in enumerate(found, 1)
    ]


def _block(name: str, path: str, verdict: Verdict, pair: Pair | None) -> Iterator[str]:
    assert verdict.setting is not None
    yield "[[source]]"
    yield f"name = {json.dumps(name)}"
    yield f"dialect = {json.dumps(verdict.dialect)}"
    yield from _ports(path, pair)
    yield from _line(verdict.setting)


def _ports(path: str, pair: Pair | None) -> Iterator[str]:
    if pair is None:
        yield f"port = {json.dumps(path)}"
        return
    if not pair.heard:
        yield "# Both speak the same dialect, but no request and its answer were heard together: are they one terminal's?"
    yield f"port_terminal = {json.dumps(pair.terminal)}"
    yield f"port_till = {json.dumps(pair.till)}"


def _line(setting: Setting) -> Iterator[str]:
    """What differs from the defaults, and the speed always."""
    yield f"baudrate = {setting.baudrate}"
    if setting.bytesize != 8:
        yield f"bytesize = {setting.bytesize}"
    if setting.parity != "N":
        yield f"parity = {json.dumps(setting.parity)}"
    if setting.stopbits != 1:
        yield f"stopbits = {setting.stopbits}"


def as_json(path: str, verdict: Verdict) -> dict[str, object]:
    """One flat object."""
    setting = verdict.setting
    return {
        "port": path,
        "finding": verdict.finding.value,
        "dialects": list(verdict.dialects),
        "speaker": verdict.speaker.value if verdict.speaker else None,
        "baudrate": setting.baudrate if setting else None,
        "bytesize": setting.bytesize if setting else None,
        "parity": setting.parity if setting else None,
        "stopbits": setting.stopbits if setting else None,
        "parity_known": verdict.parity_known,
        "stopbits_known": verdict.stopbits_known,
        "evidence": dict(verdict.kinds),
        "transactions": verdict.told,
        "octets": verdict.octets,
        "seconds": round(verdict.seconds, 1),
        "words": f"{headline(verdict)}: {evidence(verdict)}",
    }
