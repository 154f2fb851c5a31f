"""What a receipt says of itself becomes a key: equal for the copies of one transaction, and for no other one.

A shop's own short numbers start again each day, so they count only with a time or a batch beside them; whoever cannot
be told from the next sale of the same amount gets no key, and is told each time.
"""

from tillbell_agent.pos.printed_time import PrintedTime
from tillbell_protocol.event import Transaction

_LONG_NUMBER = 8  # characters of a number that a shop does not use twice


def identity(transaction: Transaction, time: PrintedTime | None, wallet_no: str | None) -> str | None:
    """The key, or None where the slip does not tell itself from the next one of the same amount.

    It does with a long reference or wallet's number, with a time to the second, with a number of its own and a time or
    batch beside it, or with a time to the minute and a card. A short number alone starts again each day.
    """
    number = transaction.receipt_no or transaction.stan
    long = any(_is_long(one) for one in (number, transaction.rrn, wallet_no) if one)
    numbered = bool(number or transaction.rrn or wallet_no) and time is not None
    in_batch = number is not None and transaction.batch is not None
    timed = time is not None and (time.seconds or bool(transaction.card or transaction.auth_code))
    if not (long or numbered or in_batch or timed):
        return None
    return key_of(
        transaction.terminal_id,
        transaction.kind.word,
        number,
        transaction.batch,
        "+".join(one for one in (transaction.rrn, wallet_no) if one and one != number),
        transaction.amount_minor,
        time.digits if time else None,
    )


def _is_long(number: str) -> bool:
    """Signs do not count: a card number behind a wrong label is ``****1111``, and each of its sales has that."""
    return sum(map(str.isalnum, number)) >= _LONG_NUMBER


def key_of(*parts: str | int | None) -> str:
    return "|".join("" if part is None else str(part) for part in parts)
