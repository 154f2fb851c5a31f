"""Frames of the bridge's link, made from the specification with other means than the package's: hmac, zlib, a byte loop."""

import hashlib
import hmac
import struct
import zlib

KEY = hashlib.sha256(b"link key").digest()
NONCE, AGENT_NONCE = hashlib.sha256(b"bridge").digest()[:16], hashlib.sha256(b"agent").digest()[:16]
SESSION = hmac.new(KEY, b"tillbell link session" + NONCE + AGENT_NONCE, "sha256").digest()


def stuffed(octets):
    """COBS, an octet at a time."""
    out, block = bytearray(), bytearray()
    for octet in octets:
        if octet == 0:
            out += bytes([len(block) + 1]) + block
            block = bytearray()
            continue
        block.append(octet)
        if len(block) == 254:
            out += b"\xff" + block
            block = bytearray()
    if block or octets[-1:] == b"\x00" or not octets or len(out) == 0:
        out += bytes([len(block) + 1]) + block
    return bytes(out)


def body(kind, payload=b"", *, key=SESSION, flags=1, boot=7, seq=0, version=1, length=None):
    head = struct.pack("<BBBHIH", version, kind, flags, boot, seq, len(payload) if length is None else length)
    text = head + payload
    text += hmac.new(key, text, "sha256").digest()[:8]
    return text + struct.pack("<I", zlib.crc32(text))


def text(words):
    octets = words.encode()
    return bytes([len(octets)]) + octets


def hello(**changes):
    row = {"cause": 1, "window": 8, "log": 0xC0FFEE00, "oldest": 41, "newest": 44, "lost": 3} | changes
    fixed = struct.pack("<BBIIII", *row.values())
    return NONCE + fixed + text("pico") + text("e6614103e7452d2f") + text("0.1.0")


def data(octets, channel=0, flags=0, ticks=123_456_789_012):
    return struct.pack("<BBQ", channel, flags, ticks) + octets


def fields(kind, payload, message, *, flags=1, boot=7, seq=0):
    return {
        "kind": kind,
        "flags": flags,
        "boot": boot,
        "seq": seq,
        "payload": payload.hex(),
        "message": message,
    }


def ok(name, about, kind, payload, message, *, key=SESSION, **frame):
    octets = stuffed(body(kind, payload, key=key, **frame))
    out = fields(kind, payload, message, **frame)
    return {
        "name": name,
        "about": about,
        "expect": "ok",
        "in": {"key": key.hex(), "stuffed": octets.hex()},
        "out": out,
    }


def refused(name, about, layer, octets, key=SESSION):
    return {
        "name": name, "about": about, "expect": layer, "in": {"key": key.hex(), "stuffed": octets.hex()}, "out": {},
    }  # fmt: skip


def heard(octets, channel=0, flags=0, ticks=123_456_789_012):
    return {"channel": channel, "flags": flags, "ticks_us": ticks, "octets": octets.hex()}


NAMES = (
    "octets", "overruns", "framing_errors", "held", "lost", "free_heap", "uptime_s", "resets", "flash_writes", "bad_frames",
)  # fmt: skip


def cases():
    yield from _good()
    yield from _bad()


def _good():
    greeting = {
        "nonce": NONCE.hex(), "cause": 1, "window": 8, "log": 0xC0FFEE00, "oldest": 41, "newest": 44, "lost": 3, "board": "pico",
        "unique_id": "e6614103e7452d2f", "firmware": "0.1.0",
    }  # fmt: skip
    yield ok("hello", "tagged with the link key", 1, hello(), greeting, key=KEY, flags=0)
    nothing = greeting | {"oldest": 45}
    yield ok("hello_nothing", "it holds nothing", 1, hello(oldest=45), nothing, key=KEY, flags=0)
    later = {**greeting, "cause": 0}
    yield ok(
        "hello_later",
        "a cause of a later version is the unknown one",
        1,
        hello(cause=9),
        later,
        key=KEY,
        flags=0,
    )
    answer = {"device_nonce": NONCE.hex(), "agent_nonce": AGENT_NONCE.hex(), "taken": 42, "durable": 40}
    payload = NONCE + AGENT_NONCE + struct.pack("<II", 42, 40)
    yield ok("hello_ack", "tagged with the link key", 64, payload, answer, key=KEY, flags=0)
    for name, about, octets in [
        ("data", "a few octets of a terminal", b"\x02SALE 12.50\x03\x1f"),
        ("data_zeros", "zeros are stuffed", bytes(20)),
        ("data_empty", "only flags", b""),
        ("data_full", "as long as one can be, without a zero", bytes(1 + at % 255 for at in range(212))),
        ("data_ff", "no zero for a whole block", b"\xff" * 212),
    ]:
        yield ok(name, about, 2, data(octets), heard(octets), seq=2**32 - 1, boot=65535)
    yield ok(
        "data_till",
        "the till's line, after a gap",
        2,
        data(b"x", 1, 7, 2**64 - 1),
        heard(b"x", 1, 7, 2**64 - 1),
    )
    counters = list(range(100, 110))
    status = struct.pack("<10I", *counters)
    yield ok("status", "all counters", 3, status, dict(zip(NAMES, counters, strict=True)))
    yield ok(
        "status_longer", "a later version's", 3, status + bytes(8), dict(zip(NAMES, counters, strict=True))
    )
    yield ok("time", "microseconds", 67, struct.pack("<Q", 2**60 + 1), {"numbers": [2**60 + 1]})
    reply = struct.pack("<QQQ", 2**60 + 1, 5, 3)
    yield ok("time_reply", "ticks and the newest chunk", 4, reply, {"numbers": [2**60 + 1, 5, 3]})
    yield ok("ack", "44 taken, 40 durable", 65, struct.pack("<II", 44, 40), {"taken": 44, "durable": 40})
    yield ok("nak", "from 42 on", 66, struct.pack("<Q", 42), {"numbers": [42]})
    rows = [(bytes(range(8)), 0, 5131), (bytes(range(8, 16)), 1, 0)]
    packed = b"".join(binding + struct.pack("<BI", direction, epoch) for binding, direction, epoch in rows)
    told = {"epochs": [[binding.hex(), direction, epoch] for binding, direction, epoch in rows]}
    yield ok("epochs", "two pairings", 5, packed, told)
    yield ok("epochs_none", "none yet", 5, b"", {"epochs": []})
    yield ok("epoch_put", "one", 68, packed[:13], {"epochs": told["epochs"][:1]})
    yield ok("epochs_get", "no payload", 69, b"", {})
    yield ok("hello_get", "no payload, tagged with the link key", 70, b"", {}, key=KEY, flags=0)


def _bad():
    whole = body(65, struct.pack("<II", 44, 44))
    yield refused(
        "stuffing_zero", "a zero inside", "stuffing", stuffed(whole)[:5] + b"\x00" + stuffed(whole)[5:]
    )
    yield refused("stuffing_end", "a count that points behind the end", "stuffing", stuffed(whole)[:-1])
    yield refused("nothing", "no octet", "short", b"\x01")
    yield refused("short", "one octet less than a frame has", "short", stuffed(whole[: 11 + 8 + 3]))
    yield refused(
        "flipped", "one bit", "check sum", stuffed(whole[:12] + bytes([whole[12] ^ 1]) + whole[13:])
    )
    yield refused(
        "version", "another one", "version", stuffed(body(65, struct.pack("<II", 44, 44), version=2))
    )
    yield refused(
        "longer", "length counts one more", "length", stuffed(body(65, struct.pack("<II", 44, 44), length=9))
    )
    yield refused(
        "shorter", "length counts one less", "length", stuffed(body(65, struct.pack("<II", 44, 44), length=7))
    )
    yield refused("too_long", "225 octets", "length", stuffed(body(2, bytes(225))))
    yield refused("tag", "of another session", "tag", stuffed(body(65, struct.pack("<II", 44, 44), key=KEY)))
    for name, about, kind, payload in [
        ("hello_short", "half a text", 1, hello()[:-1]),
        ("hello_long", "an octet behind it", 1, hello() + b"x"),
        ("hello_window", "a window of nothing", 1, hello(window=0)),
        ("hello_order", "the oldest is behind the newest", 1, hello(oldest=46)),
        ("hello_zero", "numbers begin with 1", 1, hello(oldest=0)),
        ("hello_long_text", "41 octets", 1, hello()[:34] + text("x" * 41) + hello()[39:]),
        ("hello_space", "a name with a space", 1, hello()[:34] + text("pi o") + hello()[39:]),
        ("hello_nobody", "no unique id", 1, hello()[:39] + text("") + text("0.1.0")),
        ("hello_text", "no UTF-8", 1, hello()[:-5] + b"\xff\xfe\xfd\xfc\xfb"),
        ("hello_ack_long", "an octet behind it", 64, NONCE + AGENT_NONCE + bytes(9)),
        ("data_short", "no ticks", 2, data(b"")[:-1]),
        ("data_channel", "a third one", 2, data(b"x", 2)),
        ("data_long", "213 octets", 2, data(bytes(213))),
        ("status_short", "nine counters", 3, bytes(36)),
        ("status_odd", "half a counter behind them", 3, bytes(42)),
        ("ack_short", "four octets", 65, bytes(4)),
        ("ack_order", "durable, and not taken", 65, struct.pack("<II", 4, 5)),
        ("nak_short", "four octets", 66, bytes(4)),
        ("epochs_odd", "half a row", 5, bytes(20)),
        ("epochs_direction", "a third one", 5, bytes(8) + b"\x02" + bytes(4)),
        ("epoch_put_two", "two rows", 68, bytes(26)),
        ("epochs_get_more", "a payload", 69, b"x"),
    ]:
        yield refused(name, about, "message", stuffed(body(kind, payload)))
