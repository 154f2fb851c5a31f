"""What the package makes of one case of vectors/link.json; the same source on CPython and MicroPython.

``micropython link_runner.py FILE`` runs all cases and ends with 1 where one differs.
"""

import binascii
import json
import sys

from tillbell_protocol.link import messages as m
from tillbell_protocol.link.frame import Frame, FrameError, split
from tillbell_protocol.link.mac import Mac


def hexed(octets):
    return str(binascii.hexlify(octets), "ascii")


def hello(payload):
    it = m.Hello.decode(payload)
    assert it.cause == 0 or it.encode() == payload
    return {
        "nonce": hexed(it.nonce), "cause": it.cause, "window": it.window, "log": it.log, "oldest": it.oldest, "newest": it.newest,
        "lost": it.lost, "board": it.board, "unique_id": it.unique_id, "firmware": it.firmware,
    }  # fmt: skip


def hello_ack(payload):
    it = m.HelloAck.decode(payload)
    assert it.encode() == payload
    return {
        "device_nonce": hexed(it.device_nonce),
        "agent_nonce": hexed(it.agent_nonce),
        "taken": it.taken,
        "durable": it.durable,
    }


def data(payload):
    it = m.Data.decode(payload)
    assert it.encode() == payload
    return {"channel": it.channel, "flags": it.flags, "ticks_us": it.ticks_us, "octets": hexed(it.octets)}


def status(payload):
    counters = m.decode_status(payload)
    assert m.encode_status(counters) == payload[: 4 * len(m.COUNTERS)]
    return counters


def epochs(payload):
    rows = m.decode_epochs(payload)
    assert m.encode_epochs(rows) == payload
    return {"epochs": [[hexed(binding), direction, epoch] for binding, direction, epoch in rows]}


def put(payload):
    return {"epochs": [[hexed(row[0]), row[1], row[2]] for row in [m.decode_epoch_put(payload)]]}


def counted(count):
    def decode(payload):
        values = m.decode_numbers(payload, count)
        assert m.encode_numbers(*values) == payload
        return {"numbers": values}

    return decode


def ack(payload):
    taken, durable = m.decode_ack(payload)
    assert m.encode_ack(taken, durable) == payload
    return {"taken": taken, "durable": durable}


def nothing(payload):
    m.decode_nothing(payload)
    return {}


DECODE = {
    m.HELLO: hello, m.HELLO_ACK: hello_ack, m.DATA: data, m.STATUS: status, m.TIME: counted(1),
    m.TIME_REPLY: counted(3), m.ACK: ack, m.NAK: counted(1), m.EPOCHS: epochs, m.EPOCH_PUT: put,
    m.EPOCHS_GET: nothing, m.HELLO_GET: nothing,
}  # fmt: skip


def run(case):
    """(the word that ``expect`` must be, ``out``)."""
    key = Mac(binascii.unhexlify(case["in"]["key"]))
    stuffed = binascii.unhexlify(case["in"]["stuffed"])
    try:
        frame, covered, tag = split(stuffed)
    except FrameError as error:
        return error.why, {}
    if not key.verify(covered, tag):
        return "tag", {}
    assert frame.encode(key) == stuffed + b"\x00"
    assert Frame(frame.kind, frame.payload, frame.boot, frame.seq, frame.flags) == frame
    try:
        message = DECODE[frame.kind](frame.payload)
    except m.MessageError:
        return "message", {}
    return "ok", {
        "kind": frame.kind, "flags": frame.flags, "boot": frame.boot, "seq": frame.seq, "payload": hexed(frame.payload),
        "message": message,
    }  # fmt: skip


def main(path):
    with open(path) as file:
        cases = json.load(file)["cases"]
    wrong = [case["name"] for case in cases if run(case) != (case["expect"], case["out"])]
    print(len(cases), "cases,", "wrong:", wrong)
    return len(wrong)


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1]) else 0)
