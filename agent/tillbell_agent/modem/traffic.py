"""The conversations of a modem that is ready: sending one segment, reading, deleting and sweeping stored messages.

TS 27.005: +CMGS, +CMGR, +CMGD, +CMGL, +CMMS. From the first octet of a PDU until the final result a silence is told as
unknown, never as failed. Nothing is deleted here that the caller has not asked to forget.
"""

from tillbell_agent.modem.commands import (
    Acknowledge,
    Attention,
    DeleteMessage,
    ListMessages,
    ReadMessage,
    SelectStorage,
    SendPdu,
    Set,
    StoredTpdu,
)
from tillbell_agent.modem.dialogue import Answered, Prompted, TimedOut
from tillbell_agent.modem.digest import FinalResult
from tillbell_agent.modem.events import (
    ROUTED,
    MessageReceived,
    ModemEvent,
    SegmentNotSent,
    SegmentPrompted,
    SegmentRefused,
    SegmentSent,
    SegmentUnknown,
    StatusReportReceived,
    StoredAt,
    UnknownLine,
)
from tillbell_agent.modem.facts import Facts
from tillbell_agent.modem.initialise import announce, read_registration, still_registered
from tillbell_agent.modem.script import (
    Ask,
    AwaitDecision,
    Decision,
    Failure,
    GetInStep,
    Script,
    Tell,
    WritePdu,
    ask,
)
from tillbell_protocol.errors import DecodeError

# Messages reported and not yet forgotten; more than SIM and module hold together. Beyond it they stay in the modem.
MAX_SEEN = 1024
READ_TRIES = 3
# SIM, module and status reports: one program left a message here, another received into there. A modem that has not all
# of them refuses to select it.
STORAGES = ("SM", "ME", "SR")


def send_segment(facts: Facts, tag: int, tpdu: bytes, more: bool) -> Script[None]:
    """One SMS-SUBMIT to the network, with the caller's word between the prompt and the PDU."""
    if more and facts.can_keep_link and not facts.link_kept:
        kept = yield from ask(Set("+CMMS", "2"), "asking to keep the link up")
        facts.link_kept = not isinstance(kept, Failure)
    command = SendPdu(len(tpdu))
    happened = yield Ask(command, "waiting for the prompt")
    if isinstance(happened, Answered):
        yield Tell(_refusal(tag, happened.final))
        return
    if not isinstance(happened, Prompted):
        yield Tell(SegmentNotSent(tag, "no prompt"))
        return
    if facts.echo_heard and not facts.echo_stays:
        # It restarted by itself and may be in text mode, where this PDU would go out as somebody's text.
        yield GetInStep()
        yield Tell(SegmentNotSent(tag, "the modem has restarted: its echo is back"))
        return
    yield Tell(SegmentPrompted(tag))
    happened = yield AwaitDecision("at the prompt")
    if not isinstance(happened, Decision):
        yield Tell(SegmentNotSent(tag, "the modem left the prompt"))
        return
    if not happened.hand_over:
        yield GetInStep()
        yield Tell(SegmentNotSent(tag, "withdrawn"))
        return
    # "00": no SMSC address, so the one stored on the SIM is used.
    answer_s = facts.profile.answer_s
    happened = yield WritePdu("00" + tpdu.hex().upper(), answer_s, "waiting for the network's answer")
    yield Tell(_outcome(tag, command, happened, answer_s))


def _refusal(tag: int, final: FinalResult) -> SegmentRefused:
    match final.kind:
        case "CMS" | "CME" as kind:
            return SegmentRefused(tag, kind, final.code)
        case _:
            return SegmentRefused(tag, "ERROR", None)


def _outcome(tag: int, command: SendPdu, happened: object, answer_s: float) -> ModemEvent:
    if isinstance(happened, TimedOut) or not isinstance(happened, Answered):
        return SegmentUnknown(tag, f"no answer within {answer_s:g} s of the PDU")
    if happened.final.kind != "OK":
        return _refusal(tag, happened.final)
    try:
        return SegmentSent(tag, command.parse(happened.lines))
    except DecodeError as error:
        return SegmentUnknown(tag, f"OK, but {error}")


def heartbeat(facts: Facts) -> Script[None]:
    """Find a modem that went deaf, or lost the network without a word, before a sale needs it.

    One domain that still carries messages shows both; only where it does not is everything asked.
    """
    if not (yield from still_registered(facts)):
        yield from ask(Attention(), "heartbeat")
        yield from read_registration(facts)


def sweep(facts: Facts) -> Script[None]:
    """Report everything that is stored and was not reported yet, wherever it lies: leftovers of others among it."""
    storages = [facts.receives_into]
    if facts.receives_into in STORAGES:  # else not named; or "MT", which shows SIM and module at once
        storages += [storage for storage in STORAGES if storage != facts.receives_into]
    for storage in storages:
        rows = yield from _list(facts, storage)
        if isinstance(rows, Failure):
            facts.endless_listings += 1
            return
        for row in rows:
            yield from _report(facts, facts.storage, row)
    facts.endless_listings = 0


def _list(facts: Facts, storage: str) -> Script[tuple[StoredTpdu, ...] | Failure]:
    """What lies in one storage ("": in the one in use), nothing where that is refused; Failure: the listing did not end."""
    if storage and not (yield from _select(facts, storage)):
        if storage == facts.receives_into:
            yield Tell(UnknownLine(f"the storage {storage} cannot be selected for a sweep"))
        return ()
    rows = yield from ask(ListMessages(), "sweeping the message storage")
    if not isinstance(rows, Failure):
        return tuple(rows)
    yield Tell(UnknownLine(f"the stored messages cannot be listed: {rows}"))
    return rows if rows.kind == "SILENCE" else ()


def read_message(facts: Facts, where: StoredAt) -> Script[None]:
    """Report one stored message. It stays stored."""
    answer: StoredTpdu | Failure | None = None
    for _ in range(READ_TRIES):
        if not (yield from _select(facts, where.storage)):
            answer = Failure("ERROR", text="the storage cannot be selected")
            continue
        answer = yield from ask(ReadMessage(where.index), "reading a message")
        if not isinstance(answer, Failure):
            break
    if isinstance(answer, StoredTpdu):
        yield from _report(facts, where.storage, answer)
        return
    why = "nothing is there" if answer is None else str(answer)
    yield Tell(UnknownLine(f"message {where.index} in {where.storage} cannot be read: {why}"))


def forget_message(facts: Facts, where: StoredAt) -> Script[None]:
    """Delete one message that is durable elsewhere, or tell the network so."""
    if where.storage == ROUTED:
        answer = yield from ask(Acknowledge(), "acknowledging a message")
        if isinstance(answer, Failure):
            # Too late: the network sends it again. A modem that waited in vain stops telling: ask it to go on.
            yield Tell(UnknownLine(f"a message could not be acknowledged: {answer}"))
            yield from announce(facts)
        return
    deleted: Failure | None = Failure("ERROR", text="the storage cannot be selected")
    if (yield from _select(facts, where.storage)):
        deleted = yield from ask(DeleteMessage(where.index), "deleting a message")
    if isinstance(deleted, Failure):
        yield Tell(UnknownLine(f"message {where.index} in {where.storage} cannot be deleted: {deleted}"))


def received(tpdu: bytes, stored: StoredAt | None) -> ModemEvent:
    """A TPDU from the service centre, told apart by TP-MTI (TS 23.040): 00 deliver, 10 status report."""
    match tpdu[0] & 0b11 if tpdu else None:
        case 0b00:
            return MessageReceived(tpdu, stored)
        case 0b10:
            return StatusReportReceived(tpdu, stored)
        case _:
            return UnknownLine(f"a stored TPDU of {len(tpdu)} octets is neither a message nor a report")


def routed(facts: Facts, tpdu: bytes) -> ModemEvent:
    """A TPDU that came by itself: the modem keeps none; the network does, where it waits to be acknowledged."""
    if not facts.acknowledges or len(facts.seen) >= MAX_SEEN:
        return received(tpdu, None)
    facts.routed += 1
    where = StoredAt(ROUTED, facts.routed)
    facts.seen[where] = tpdu
    return received(tpdu, where)


def _select(facts: Facts, storage: str) -> Script[bool]:
    """Read and delete in ``storage``: a message announced in one and looked for in another is never found."""
    if storage == facts.storage:
        return True
    answer = yield from ask(SelectStorage(storage), "changing the storage")
    if isinstance(answer, Failure):
        return False
    facts.storage = storage
    return True


def _report(facts: Facts, storage: str, row: StoredTpdu) -> Script[None]:
    where = StoredAt(storage, row.index)
    # A module may show one memory under two names; what is deleted twice there may be a newer message.
    if any(facts.seen.get(StoredAt(name, row.index)) == row.tpdu for name in (storage, *STORAGES)):
        return
    if len(facts.seen) >= MAX_SEEN:
        yield Tell(
            UnknownLine(f"message {row.index} in {storage} waits: {MAX_SEEN} others are not forgotten yet")
        )
        return
    facts.seen[where] = row.tpdu
    yield Tell(received(row.tpdu, where))
