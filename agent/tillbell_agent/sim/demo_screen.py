"""The demonstration's events, shown: JSON lines, plain lines, or lines in colour on a terminal that has rich.

An event is a dict with ``ev``; what is shown of it is decided once, in ``words``, as (style, text) pieces.
"""

import json
import sys
from collections.abc import Callable
from io import TextIOWrapper
from typing import Any

Event = dict[str, Any]
Show = Callable[[Event], None]
Piece = tuple[str, str]

_WHO = {"hq": "headquarters", "accountant": "accountant", "owner": "owner's phone"}
_MINOR_DIGITS = 2  # the demonstration's till sells in CNY


def choose_screen(*, as_json: bool) -> Show:
    """How events are shown on standard output as it is now."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(
            errors="backslashreplace"
        )  # a terminal that has no Chinese still shows the rest
    if as_json:
        return show_json
    coloured = coloured_screen() if sys.stdout.isatty() else None
    return coloured or show_plain


def show_json(event: Event) -> None:
    """One JSON object a line."""
    print(json.dumps(event, ensure_ascii=False), flush=True)


def show_plain(event: Event) -> None:
    """Readable lines without colour."""
    for line in words(event):
        print("".join(text for _, text in line), flush=True)


def coloured_screen() -> Show | None:
    """The same lines through rich; None where it is not installed (the extra ``screens``)."""
    try:
        from rich.console import Console  # noqa: PLC0415 - only a screen pays for rich
        from rich.text import Text  # noqa: PLC0415
    except ImportError:
        return None
    console = Console(highlight=False)

    def show(event: Event) -> None:
        for line in words(event):
            console.print(Text.assemble(*((text, style) for style, text in line)), soft_wrap=True)

    return show


def words(event: Event) -> list[list[Piece]]:
    """The lines that show an event; an event of no interest to a reader has none."""
    show = _WORDS.get(event["ev"])
    return show(event) if show else []


def _label(who: str, style: str = "dim") -> Piece:
    return (style, f"  {who:<14} ")


def _started(event: Event) -> list[list[Piece]]:
    return [[("dim", f"started  {event['name']:<11} {event['what']}")]]


def _paired(event: Event) -> list[list[Piece]]:
    return [[("dim", f"paired   {event['recipient']:<11} card and bundle exchanged")]]


def _printed(event: Event) -> list[list[Piece]]:
    head: list[Piece] = [
        ("bold", f"\n{event['n']}. {event['title']}"),
        ("dim", f"  {event['octets']} octets"),
    ]
    if event["expected"] is None:
        head.append(("yellow", "  → nobody is told"))
    return [head]


def _heard(event: Event) -> list[list[Piece]]:
    amount = _money(event["amount_minor"], event["currency"])
    rest = _tail(event.get("card_last4"), event.get("reference"))
    return [[_label("agent heard"), ("cyan", f"#{event['seq']} {event['kind']} {amount}"), ("", rest)]]


def _text(event: Event) -> list[list[Piece]]:
    size = f"{event['parts']} segment{'s' * (event['parts'] != 1)}, {event['alphabet']}, {event['units']} characters"
    return [
        [_label(_WHO[event["who"]]), ("bold green", event["text"])],
        [_label(""), ("dim", size)],
    ]


def _opened(event: Event) -> list[list[Piece]]:
    told = event["event"]
    parts = f"{event['parts']} segment{'s' * (event['parts'] != 1)}"
    sealed = f"{event['octets']} octets sealed, {parts}, counter {event['counter']}"
    if event["letters"]:
        sealed = f"{event['letters']} letters of armor, {sealed}"
    read = f"{told['kind']} {_money(told['amount_minor'], told['currency'])}"
    rest = _tail(told.get("card_last4"), told.get("reference"))
    return [
        [
            _label(_WHO[event["who"]]),
            ("magenta", read),
            ("", rest),
            ("", f" terminal {told.get('terminal_id') or '–'}"),
        ],
        [_label(""), ("dim", f"{sealed}; signature holds")],
    ]


def _duplicate(event: Event) -> list[list[Piece]]:
    return [
        [
            _label(_WHO[event["who"]]),
            ("yellow", f"the same octets again (counter {event['counter']}): ignored"),
        ]
    ]


def _refused(event: Event) -> list[list[Piece]]:
    return [[_label(_WHO[event["who"]]), ("bold red", f"REFUSED: {event['why']}")]]


def _killed(event: Event) -> list[list[Piece]]:
    return [[("bold red", f"  SIGKILL        the agent dies while {event['while']}; started again")]]


def _settled(event: Event) -> list[list[Piece]]:
    """How a text ended whose answer nobody was alive to hear."""
    if event["repeated"]:
        return [[_label("the agent"), ("yellow", "cannot know whether the text came: it goes again, marked")]]
    if event["state"] == "delivered":
        return [
            [
                _label("the agent"),
                ("cyan", "the network's report says that the text came: it does not go again"),
            ]
        ]
    return [
        [_label("the agent"), ("cyan", f"holds the text as {event['state']} until the network reports on it")]
    ]


def _result(event: Event) -> list[list[Piece]]:
    lines: list[list[Piece]] = [[("", "")]]
    lines += [[("bold red", f"WRONG: {fault}")] for fault in event["faults"]]
    if not event["faults"]:
        lines.append([("bold green", "Nothing lost, nothing doubled without a mark, nothing invented.")])
    counts = f"{event['receipts']} receipts, {event['transactions']} transactions, {event['texts']} texts"
    marked = (
        f"{event['repeated']} marked as repeated, {event['duplicates']} sealed ones recognised as repeated"
    )
    lines.append([("dim", f"{counts} ({marked}), {event['seconds']:.0f} s")])
    return lines


def _failed(event: Event) -> list[list[Piece]]:
    lines: list[list[Piece]] = [[("bold red", f"\nFAILED: {event['step']}")]]
    for name, tail in event["last_words"].items():
        lines.append([("bold", f"the last lines of {name}:")])
        lines += [[("dim", f"  {line}")] for line in tail]
    return lines


def _money(minor: int | None, currency: str) -> str:
    if minor is None:
        return "amount unknown"
    return f"{currency} {minor // 10**_MINOR_DIGITS}.{minor % 10**_MINOR_DIGITS:0{_MINOR_DIGITS}d}"


def _tail(last4: str | None, reference: str | None) -> str:
    return (f" card *{last4}" if last4 else "") + (f" reference {reference}" if reference else "")


_WORDS: dict[str, Callable[[Event], list[list[Piece]]]] = {
    "started": _started,
    "paired": _paired,
    "printed": _printed,
    "heard": _heard,
    "text": _text,
    "opened": _opened,
    "duplicate": _duplicate,
    "refused": _refused,
    "killed": _killed,
    "settled": _settled,
    "result": _result,
    "failed": _failed,
}
