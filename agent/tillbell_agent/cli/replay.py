"""``tillbell replay``: what a dialect makes of a recorded line, or which dialects make anything of it."""

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tillbell_agent.capture.evidence import evidence
from tillbell_agent.capture.recording import Recording
from tillbell_agent.capture.replaying import Account, Heard, event_json, replay
from tillbell_agent.cli.common import add_json, money, print_table
from tillbell_agent.cli.errors import NOT_WELL, OK
from tillbell_agent.cli.recorded import Shop, add_file, recording_of, settings_of, shop_of, wrong_setting
from tillbell_agent.notify.text import TextContext, render
from tillbell_agent.pos.dialect import Line, TransactionCompleted
from tillbell_agent.pos.registry import DIALECTS, make_dialect
from tillbell_agent.pos.settings import DialectSettings, SettingsError
from tillbell_protocol.event import MONEY_SIGN

HELP = """Feed a recorded line to a dialect, with its times, and print every event.

FILE is a capture, a session ([{"t_ms", "dir", "hex"}]) or octets as they were heard. Without --dialect every dialect is
tried, and a table says what each made of it. Nothing is sent and nothing is stored."""

_MOST_SPANS = 10
_ANY_CODE = "000000"


def configure(parser: argparse.ArgumentParser) -> None:
    add_file(parser, "show what this configuration would send, too")
    parser.add_argument("--dialect", metavar="NAME", help=f"one of {', '.join(sorted(DIALECTS))}")
    parser.add_argument("--layout", help="a variant of the dialect (default: auto)")
    parser.add_argument(
        "--date",
        type=date.fromisoformat,
        metavar="YYYY-MM-DD",
        help="the day it was recorded (default: as the file says)",
    )
    add_json(parser)
    parser.epilog = """example:
  tillbell replay terminal.capture
  tillbell replay terminal.capture --dialect zvt --currency EUR --json
  tillbell replay receipts.bin --config /etc/tillbell/config.toml --source till-1

Exit code 0: something was recognised. 1: nothing was."""


def run(args: argparse.Namespace) -> int:
    recording = recording_of(args)
    shop = shop_of(args)
    settings = settings_of(args, shop)
    name = args.dialect or (shop.source.dialect if shop else None)
    if name is None:
        return _try_all(args, recording, settings)
    account = Account(settings.currency)
    heard = [each for each in _replay(name, settings, recording) if account.take(each)]
    began = _began(args, recording, shop)
    notices = _notices(shop, heard, settings, began) if shop else []
    tell = _tell_json if args.json else _tell
    tell(recording, account, [event_json(each, settings.currency, began) for each in heard], notices)
    return OK if heard or account.ignored else NOT_WELL


def _replay(name: str, settings: DialectSettings, recording: Recording) -> Iterator[Heard]:
    try:
        dialect = make_dialect(name, settings)
    except SettingsError as error:
        raise wrong_setting(error) from error
    return replay(dialect, recording.steps)


def _began(args: argparse.Namespace, recording: Recording, shop: Shop | None) -> datetime:
    """The shop's local time at the recording's beginning, as far as anybody can tell."""
    if args.date is not None:
        return datetime.combine(args.date, time(12))
    zone = ZoneInfo(shop.config.device.timezone) if shop else None
    if recording.started is not None:
        return recording.started.astimezone(zone).replace(tzinfo=None)
    return datetime.now(zone).replace(tzinfo=None)


# What would be sent


def _notices(
    shop: Shop, heard: list[Heard], settings: DialectSettings, began: datetime
) -> list[list[dict[str, Any]]]:
    """For each event, who would be told what, and why not."""
    device, told, seq = shop.config.device, [], 0
    for each in heard:
        rings = isinstance(each.event, TransactionCompleted) and each.event.transaction.kind in MONEY_SIGN
        seq += rings
        context = TextContext(
            merchant=device.merchant,
            short_name=device.short_name,
            language=device.language,
            seq=seq,
            currency=settings.currency,
            when=began + timedelta(seconds=each.time),
        )
        told.append([_notice(each, recipient, context) for recipient in shop.config.recipients])
    return told


def _notice(heard: Heard, recipient: Any, context: TextContext) -> dict[str, Any]:
    event = heard.event
    out = {"to": recipient.name, "format": recipient.format, "text": None}
    if not isinstance(event, TransactionCompleted):
        return out | {"why": "a settlement is recorded and told nobody"}
    if recipient.format != "text":
        return out | {"why": "sealed: the same fields, for who holds the key"}
    if event.transaction.kind not in MONEY_SIGN:
        return out | {"why": f"{event.transaction.kind.word} moves no money, so no text is sent"}
    language = recipient.language or context.language
    text = render(event.transaction, replace(context, language=language), lambda _text: _ANY_CODE)
    return out | {"text": text, "why": "it moves money"}


# What is shown


def _tell_json(
    recording: Recording, account: Account, events: list[dict[str, Any]], notices: list[list[dict[str, Any]]]
) -> None:
    for index, event in enumerate(events):
        sent = {"notices": notices[index]} if notices else {}
        print(json.dumps(event | sent, ensure_ascii=False))
    print(json.dumps({"summary": account.summary() | {"masked": len(recording.masked)}}, ensure_ascii=False))


def _tell(
    recording: Recording, account: Account, events: list[dict[str, Any]], notices: list[list[dict[str, Any]]]
) -> None:
    _tell_recording(recording)
    for index, event in enumerate(events):
        print(f"{event['t_ms'] / 1000:9.3f} s  {_sentence(event)}")
        for notice in notices[index] if notices else []:
            print(f"             → {notice['to']}: {notice['text'] or notice['why']}")
    summary = account.summary()
    print(
        f"{summary['events']} events, {summary['repeated']} repeated, {summary['octets_skipped']} octets skipped"
    )
    for why, count in account.ignored.items():
        print(f"  {count} × told nobody: {why}")


def _sentence(event: dict[str, Any]) -> str:
    said = f"{event['kind']} {money(event['amount_minor'], event['currency'])}"
    shown = {
        "kind",
        "amount_minor",
        "currency",
        "t_ms",
        "final",
        "original_stan",
        "method_as_printed",
        "reference",
    }
    rest = [
        f"{name} {_shown(value)}" for name, value in event.items() if name not in shown and value is not None
    ]
    return ", ".join([said, *rest, *([] if event.get("final", True) else ["not confirmed"])])


def _shown(value: object) -> str:
    """Text as it is, unless it would move the cursor."""
    return value if isinstance(value, str) and value.isprintable() else json.dumps(value)


def _tell_recording(recording: Recording) -> None:
    for line in Line:
        octets = recording.octets(line)
        if octets:
            settings = f" at {recording.formats[line].words()}" if line in recording.formats else ""
            print(
                f"{line.value}: {len(octets)} octets{settings}{''.join(f', {each}' for each in evidence(octets))}"
            )
    if not recording.whole:
        print("The file has no end: the recording was cut off, and its last octets are missing.")
    if recording.masked:
        kinds = Counter(each.span.what for each in recording.masked)
        print(
            f"Masked: {', '.join(f'{count} × {what}' for what, count in kinds.items())}; other digits stand there now."
        )
    for each in recording.masked[:_MOST_SPANS]:
        check = (
            "the frame got a new check" if each.span.delta is None else f"check delta {each.span.delta:02x}"
        )
        print(
            f"  {each.line.value}, octet {each.span.at}: {each.span.length} octets of {each.span.what}, {check}"
        )
    if len(recording.masked) > _MOST_SPANS:
        print(f"  and {len(recording.masked) - _MOST_SPANS} more")


# Which dialect it is


def _try_all(args: argparse.Namespace, recording: Recording, settings: DialectSettings) -> int:
    rows = sorted((_tried(name, recording, settings) for name in DIALECTS), key=lambda row: row["rank"])
    found = rows[0]["transactions"] + rows[0]["settlements"] > 0
    for row in rows:
        del row["rank"]
    if args.json:
        print(json.dumps({"dialects": rows, "masked": len(recording.masked)}, ensure_ascii=False))
        return OK if found else NOT_WELL
    _tell_recording(recording)
    heads = ("dialect", "transactions", "settlements", "told nobody", "octets skipped", "why not")
    print_table(heads, [list(row.values()) for row in rows])
    if found:
        print(f"See what it says: tillbell replay {args.file} --dialect {rows[0]['dialect']}")
    else:
        print(
            "No dialect recognised a transaction. Was one made while it was recorded? Are speed and parity right?"
        )
    return OK if found else NOT_WELL


def _tried(name: str, recording: Recording, settings: DialectSettings) -> dict[str, Any]:
    account, why = Account(settings.currency), ""
    try:
        for heard in replay(make_dialect(name, settings), recording.steps):
            account.take(heard)
    except SettingsError as error:
        why = str(error)
    transactions = account.transactions
    settlements = len(account.told) - transactions
    ignored = sum(account.ignored.values())
    return {
        "dialect": name,
        "transactions": transactions,
        "settlements": settlements,
        "ignored": ignored,
        "octets_skipped": account.skipped_octets,
        "why_not": why,
        "rank": (-transactions, -settlements, bool(why), account.skipped_octets, -ignored),
    }
