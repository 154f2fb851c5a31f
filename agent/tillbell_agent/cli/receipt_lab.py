"""``tillbell receipt-lab``: how recorded receipts are read, line by line, and what to write into a profile."""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any

from tillbell_agent.capture.replaying import Heard, event_json, replay
from tillbell_agent.cli.common import add_json, money
from tillbell_agent.cli.errors import NOT_WELL, OK, USAGE, CliError
from tillbell_agent.cli.recorded import add_file, recording_of, settings_of, shop_of, wrong_setting
from tillbell_agent.pos.dialect import DialectEvent, Ignored, SettlementHeard, TransactionCompleted
from tillbell_agent.pos.escpos import EscPos
from tillbell_agent.pos.receipt_lab import Guess, Job, Line, ReceiptLab, Word
from tillbell_agent.pos.receipt_profile import TABLES
from tillbell_agent.pos.settings import SettingsError

HELP = """Show each receipt of a recorded printer's line: what was recognised where, and what no word explains.

FILE is a capture or octets as they were heard (dialect escpos). A profile is tried with --spec, and then named as spec in
[[source]]. Card numbers are masked in what is shown. Nothing is sent and nothing is stored."""

_WIDTH = 44  # of a line of paper


def configure(parser: argparse.ArgumentParser) -> None:
    add_file(parser, "read as a source of this configuration is")
    add_json(parser)
    tables = "\n".join(f"  [{name}]  {', '.join(keys)}" for name, keys in TABLES.items())
    parser.epilog = f"""example:
  tillbell receipt-lab receipts.bin --encoding cp858 --currency EUR
  tillbell receipt-lab receipts.bin --spec cafe.toml

A profile is a TOML file of words, such as
  [totals]
  total = ["Importe cobrado"]
It may have these tables and keys:
{tables}

Exit code 0: some receipt is a transaction with its amount, or a settlement. 1: none is."""


def run(args: argparse.Namespace) -> int:
    recording = recording_of(args)
    shop = shop_of(args)
    if shop is not None and shop.source.dialect != "escpos":
        why = f"source {shop.source.name!r} is no printer's line: its dialect is {shop.source.dialect}"
        raise CliError(f"{args.config}: {why}. Try tillbell replay", USAGE)
    settings = settings_of(args, shop)
    try:
        lab = ReceiptLab(settings)
        dialect = EscPos(settings, lab)
    except SettingsError as error:
        raise wrong_setting(error) from error
    for _ in replay(dialect, recording.steps):
        pass  # what the dialect tells is replay's to show
    for number, job in enumerate(lab.jobs, start=1):
        if args.json:
            print(json.dumps(_as_json(number, job, settings.currency), ensure_ascii=False))
        else:
            print("\n".join(map(_shown, _told(number, lab.seen, job, settings.currency))))
    if lab.seen > len(lab.jobs) and not args.json:
        print(f"{lab.seen - len(lab.jobs)} more receipts are not shown.")
    if not lab.jobs and not args.json:
        print("No line of text was printed. Is it a printer's line, at the right speed?")
    return OK if any(map(_is_read, lab.jobs)) else NOT_WELL


def _shown(text: str) -> str:
    """Without what would move the cursor."""
    return "".join(each if each.isprintable() else "\ufffd" for each in text)


def _is_read(job: Job) -> bool:
    match job.event:
        case TransactionCompleted(transaction):
            return transaction.amount_minor is not None
        case other:
            return isinstance(other, SettlementHeard)


def _as_json(number: int, job: Job, currency: str) -> dict[str, Any]:
    lines = [asdict(line) | {"unknown": line.unknown} for line in job.lines]
    is_event = isinstance(job.event, TransactionCompleted | SettlementHeard)
    # Printed times have their years, so no day of recording is asked for.
    told = event_json(Heard(0.0, job.event), currency, datetime.min) if is_event else None
    return {
        "receipt": number,
        "read_as": _outcome(job.event),
        "event": told,
        "lines": lines,
        "guesses": [asdict(guess) for guess in job.guesses()],
    }


def _outcome(event: DialectEvent) -> str:
    match event:
        case TransactionCompleted(transaction):
            return transaction.kind.word
        case SettlementHeard():
            return "settlement"
        case Ignored(why):
            return f"nothing: {why}"
    return "nothing"


def _told(number: int, of: int, job: Job, currency: str) -> Iterator[str]:
    yield f"Receipt {number} of {of}: {_sentence(job.event, currency)}"
    for line in job.lines:
        note = _note(line)
        yield f"  {line.text:{_WIDTH}}  {note}".rstrip()
    guesses = job.guesses()
    if guesses:
        yield "Words that may be missing; try one in a profile (--spec):"
        yield from (f"  {row}" for row in _profile(guesses))
    yield ""


def _sentence(event: DialectEvent, currency: str) -> str:
    if not isinstance(event, TransactionCompleted):
        return _outcome(event)
    told = event.transaction
    number = f", number {told.reference}" if told.reference else ", without a number"
    return f"{told.kind.word} {money(told.amount_minor, told.currency or currency)}{number}"


def _note(line: Line) -> str:
    notes = [_word(word) for word in line.words]
    notes += [what for what, there in (("time", line.time), ("card", line.card)) if there and not line.words]
    if line.counts:
        notes.append("this amount counts")
    return f"← {'; '.join(notes)}" if notes else "?" if line.unknown else ""


def _word(word: Word) -> str:
    return (
        f"title: {word.field}" if word.value is None else f"{word.field} ({word.label}): {word.value or '-'}"
    )


def _profile(guesses: tuple[Guess, ...]) -> Iterator[str]:
    tables: dict[str, dict[str, list[str]]] = {}
    for guess in guesses:
        tables.setdefault(guess.table, {}).setdefault(guess.key, []).append(guess.word)
    for table, keys in tables.items():
        yield f"[{table}]"
        for key, words in keys.items():
            yield f"{key} = {json.dumps(words, ensure_ascii=False)}"
