"""A transaction in the words that a sealed payload has short codes for."""

from dataclasses import replace

from tillbell_agent.notify.wording import method_key
from tillbell_protocol.event import Transaction
from tillbell_protocol.scalars import SCHEMES


def in_table_words(transaction: Transaction) -> Transaction:
    """Scheme and way of paying as the payload's tables call them: one octet each, where a printed word takes up to 13.

    A way of paying that is the scheme's own name says no more than "card". Words outside the tables stay as printed.
    """
    scheme, method = transaction.scheme, method_key(transaction.method)
    if scheme is not None:
        if method is not None and method.casefold() == scheme.casefold():
            method = "card"
        scheme = scheme.lower() if scheme.lower() in SCHEMES else scheme
    return replace(transaction, scheme=scheme, method=method)
