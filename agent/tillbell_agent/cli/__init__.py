"""The command ``tillbell``: one module a verb, found by its name, imported only when it is asked for."""

import argparse
import importlib
import sys
from collections.abc import Sequence

from tillbell_agent import __version__
from tillbell_agent.cli.errors import INTERRUPTED, CliError

__all__ = ["VERBS", "CliError", "main"]

# Verb → what it is for. A verb of two words is one row with a space; its module is named with an underscore.
VERBS = {
    "demo": "a sale from the terminal's line to the phones, with simulated hardware",
    "init": "write a configuration by asking",
    "check": "check a configuration",
    "run": "listen, record and send: the agent itself",
    "status": "what the agent and its modems are doing",
    "queue": "messages and their states",
    "txn": "transactions heard, with their messages",
    "send": "send a text to a recipient",
    "send-test": "send a test text to a recipient",
    "keys new": "make a recipient's keys",
    "keys show": "show the public card of a key file",
    "pair": "pair this device with a sealed recipient",
    "open": "open sealed messages",
    "expand": "sealed messages as standard COSE",
    "pdu": "explain an SMS TPDU",
    "sim pos": "a simulated terminal that prints receipts",
    "sim modem": "a simulated GSM modem with its network",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code; an error is one line on standard error, never a traceback."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] in (["--version"], ["-V"]):
        print(f"tillbell {__version__}")
        return 0
    verb = _verb(arguments)
    if verb is None:
        wanted_help = not arguments or arguments[0] in {"-h", "--help", "help"}
        print(_overview(), file=sys.stdout if wanted_help else sys.stderr)
        return 0 if wanted_help else 2
    module = importlib.import_module(f"tillbell_agent.cli.{verb.replace(' ', '_').replace('-', '_')}")
    parser = argparse.ArgumentParser(
        prog=f"tillbell {verb}",
        description=module.HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.configure(parser)
    try:
        return int(module.run(parser.parse_args(arguments[len(verb.split()) :])))
    except CliError as error:
        print(f"tillbell: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output went away: nothing is left to tell it
        return 1


def _verb(arguments: list[str]) -> str | None:
    for words in (2, 1):
        verb = " ".join(arguments[:words])
        if verb in VERBS:
            return verb
    return None


def _overview() -> str:
    width = max(map(len, VERBS)) + 2
    rows = "\n".join(f"  {verb:{width}}{purpose}" for verb, purpose in VERBS.items())
    return (
        "usage: tillbell VERB [arguments]\n\nTells of each sale by SMS, from a terminal's serial line, without internet.\n\n"
        f"{rows}\n\nexit codes: 0 well, 1 not well, 2 usage or configuration, 3 cannot be reached, 4 refused, 130 interrupted\n"
        "tillbell VERB --help explains a verb, with an example."
    )
