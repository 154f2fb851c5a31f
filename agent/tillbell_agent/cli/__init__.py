"""The command ``tillbell``: one module a verb, found by its name, imported only when it is asked for."""

import argparse
import importlib
import io
import os
import sys
from collections.abc import Sequence

from tillbell_agent import __version__
from tillbell_agent.cli.errors import INTERRUPTED, NOT_WELL, OK, USAGE, CliError
from tillbell_agent.spelling import nearest
from tillbell_protocol.errors import ProtocolError

__all__ = ["VERBS", "CliError", "main"]

# Verb → what it is for. A verb of two words is one row with a space; its module is named with an underscore.
VERBS = {
    "demo": "a sale from the terminal's line to the phones, with simulated hardware",
    "init": "write a configuration by asking",
    "check": "check a configuration",
    "run": "listen, record and send: the agent itself",
    "status": "what the agent and its modems are doing",
    "doctor": "what is wrong, and what to do next",
    "probe": "what speaks on the serial ports, and how",
    "queue": "messages and their states",
    "txn": "transactions heard, with their messages",
    "inbox": "texts that the modems received",
    "send": "send a text to a recipient",
    "send-test": "send a test text to a recipient",
    "keys new": "make a recipient's keys",
    "keys show": "show the public card of a key file",
    "pair": "pair this device with a sealed recipient",
    "open": "open sealed messages",
    "pairings": "a recipient's devices, what is missing, what was refused",
    "expand": "sealed messages as standard COSE",
    "pdu": "explain an SMS TPDU",
    "capture": "record a terminal's line for support, without card numbers",
    "replay": "what a dialect makes of a recorded line",
    "flash": "put the firmware onto a bridge's board, and set it up",
    "receipt-lab": "how recorded receipts are read, line by line",
    "sim pos": "a simulated terminal and till",
    "sim modem": "a simulated GSM modem with its network",
    "sim board": "a simulated board for a firmware bridge",
}
_HELP = frozenset({"-h", "--help", "help"})


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code; an error is one line on standard error, never a traceback."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    _print_anything()
    try:
        code = _run(arguments)
        if sys.stdout is not None:  # None: started with it closed
            sys.stdout.flush()
    except CliError as error:
        print(f"tillbell: {error}", file=sys.stderr)
        return error.exit_code
    except ProtocolError as error:  # no verb should let one through; a traceback helps nobody
        print(f"tillbell: {error}", file=sys.stderr)
        return NOT_WELL
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _forget_output()  # the reader of our output went away: nothing is left to tell it
        return NOT_WELL
    except OSError as error:
        _forget_output()
        where = f"{error.filename}: " if error.filename is not None else ""
        print(
            f"tillbell: {where}{error.strerror or error}. Check the disk (df) and who may write",
            file=sys.stderr,
        )
        return NOT_WELL
    return code


def _run(arguments: list[str]) -> int:
    if arguments[:1] in (["--version"], ["-V"]):
        print(f"tillbell {__version__}")
        return OK
    verb = _verb(arguments)
    if verb is None:
        return _without_verb(arguments)
    module = importlib.import_module(f"tillbell_agent.cli.{verb.replace(' ', '_').replace('-', '_')}")
    parser = argparse.ArgumentParser(
        prog=f"tillbell {verb}",
        description=module.HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.configure(parser)
    return int(module.run(parser.parse_args(arguments[len(verb.split()) :])))


def _verb(arguments: list[str]) -> str | None:
    for words in (2, 1):
        verb = " ".join(arguments[:words])
        if verb in VERBS:
            return verb
    return None


def _without_verb(arguments: list[str]) -> int:
    """Show the verbs that were asked for, all or those of one word such as ``keys``; else name the nearest."""
    word = next((argument for argument in arguments if argument not in _HELP), None)
    if word is None:
        print(_overview())
        return OK
    group = {verb: purpose for verb, purpose in VERBS.items() if verb.startswith(f"{word} ")}
    if group and set(arguments) & _HELP:
        print(_rows(group))
        return OK
    given = " ".join(arguments[:2]) if group else word
    near = nearest(given, group or VERBS) if given != word or not group else None
    step = f"Did you mean tillbell {near}?" if near else "There are: " + ", ".join(group or VERBS)
    raise CliError(f"there is no verb {given!r}. {step}", USAGE)


def _overview() -> str:
    return (
        "usage: tillbell VERB [arguments]\n\nTells of each sale by SMS, from a terminal's serial line, without internet.\n\n"
        f"{_rows(VERBS)}\n\nexit codes: 0 well, 1 not well, 2 usage or configuration, 3 cannot be reached, 4 refused, 130 interrupted\n"
        "tillbell VERB --help explains a verb, with an example."
    )


def _rows(verbs: dict[str, str]) -> str:
    width = max(map(len, verbs)) + 2
    return "\n".join(f"  {verb:{width}}{purpose}" for verb, purpose in verbs.items())


def _print_anything() -> None:
    """A shop's name must not end a verb where the locale cannot write it: it is shown as an escape instead."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _forget_output() -> None:
    """What is still buffered goes nowhere, so that the interpreter's own flush at the end says nothing either."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout is sys.__stdout__:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
