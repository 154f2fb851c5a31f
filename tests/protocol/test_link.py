"""The bridge's link: its published frames, any octets, and the same source under CPython and MicroPython."""

import hmac
import json
import random
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
import link_runner

from tillbell_protocol.link import cobs, mac
from tillbell_protocol.link import messages as m
from tillbell_protocol.link.frame import MAX_FRAME, MAX_PAYLOAD, Frame, FrameError, FrameReader, split

REPO = Path(__file__).parents[2]
VECTORS = REPO / "protocol/vectors/link.json"
MODULES = sorted((REPO / "protocol/tillbell_protocol/link").glob("*.py"))
KEY = mac.Mac(bytes(range(32)))
CASES = json.loads(VECTORS.read_text("utf-8"))["cases"]
HERE = Path(sys.executable).parent


def tool(name: str) -> str:
    """A program of the development environment, beside its Python."""
    found = shutil.which(name, path=str(HERE)) or shutil.which(name)
    if found is None:
        pytest.skip(f"absent peer: {name}")
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_vector(case) -> None:
    assert link_runner.run(case) == (case["expect"], case["out"])


# Stuffing


@given(st.binary(max_size=1200))
def test_stuffing_has_no_zero_and_gives_the_octets_back(octets: bytes) -> None:
    stuffed = cobs.encode(octets)
    assert 0 not in stuffed
    assert len(stuffed) <= len(octets) + 1 + len(octets) // 254
    assert cobs.decode(stuffed) == octets


@pytest.mark.parametrize("length", [*range(252, 258), *range(506, 512)])
@pytest.mark.parametrize("ends", [b"", b"\x00"])
def test_stuffing_around_a_whole_block(length: int, ends: bytes) -> None:
    octets = b"\x07" * length + ends
    assert cobs.decode(cobs.encode(octets)) == octets


@given(st.binary(max_size=300))
def test_any_octets_are_stuffing_or_none(octets: bytes) -> None:
    found = cobs.decode(octets)
    assert found is None or len(found) < max(len(octets), 1)


# Frames


@given(
    st.integers(0, 255), st.binary(max_size=MAX_PAYLOAD), st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1),
    st.integers(0, 255),
)  # fmt: skip
def test_a_frame_comes_back_as_it_was(kind: int, payload: bytes, boot: int, seq: int, flags: int) -> None:
    frame = Frame(kind, payload, boot, seq, flags)
    octets = frame.encode(KEY)
    assert octets.find(0) == len(octets) - 1 <= MAX_FRAME
    found, covered, tag = split(octets[:-1])
    assert found == frame
    assert KEY.verify(covered, tag)


@given(st.binary(max_size=400))
def test_any_octets_are_a_frame_or_say_why_not(octets: bytes) -> None:
    try:
        split(octets)
    except FrameError as error:
        assert error.why in {"stuffing", "short", "check sum", "version", "length"}  # noqa: PT017


def test_every_single_bit_that_is_flipped_is_seen() -> None:
    octets = Frame(m.DATA, m.Data(0, 0, 5, b"SALE 12.50").encode(), 3, 9).encode(KEY)[:-1]
    for bit in range(8 * len(octets)):
        flipped = bytearray(octets)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(FrameError):
            split(bytes(flipped))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Frame(256), lambda: Frame(-1), lambda: Frame(1, bytes(MAX_PAYLOAD + 1)), lambda: Frame(1, boot=2**16),
        lambda: Frame(1, seq=2**32), lambda: Frame(1, flags=256), lambda: mac.Mac(bytes(31)),
        lambda: m.Data(0, 0, 0, bytes(m.MAX_DATA + 1)), lambda: m.Data(2, 0, 0, b"").encode(),
        lambda: m.Data(0, 0, 2**64, b"").encode(), lambda: m.encode_numbers(2**64), lambda: m.encode_numbers(-1),
        lambda: m.HelloAck(bytes(16), bytes(15), 0, 0), lambda: m.HelloAck(bytes(16), bytes(16), 2**32, 0).encode(),
        lambda: m.Hello(bytes(15), "", "", "", 0, 1, 0, 1, 0, 0),
        lambda: m.Hello(bytes(16), "x" * 41, "", "", 0, 1, 0, 1, 0, 0).encode(),
        lambda: m.Hello(bytes(16), "", "", "", 6, 1, 0, 1, 0, 0).encode(),
        lambda: m.Hello(bytes(16), "", "", "", 0, 1, 2**32, 1, 0, 0).encode(),
        lambda: m.encode_epochs([(bytes(7), 0, 0)]), lambda: m.encode_epochs([(bytes(8), 2, 0)]),
        lambda: m.encode_epochs([(bytes(8), 0, 0)] * 17),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_never_cut_to_fit(make: Callable[[], object]) -> None:
    """MicroPython's struct would."""
    with pytest.raises(ValueError, match=r"fit|octets|epochs"):
        make()


def test_the_largest_of_each_message_fits_into_a_frame() -> None:
    largest = [
        m.Data(1, 255, 2**64 - 1, bytes(m.MAX_DATA)).encode(),
        m.Hello(
            bytes(16), "b" * 40, "u" * 40, "f" * 40, 5, 255, 2**32 - 1, 2**32 - 1, 2**32 - 1, 2**40
        ).encode(),
        m.encode_epochs([(bytes(8), 1, 2**32 - 1)] * m.MAX_EPOCHS),
        m.encode_status(dict.fromkeys(m.COUNTERS, 2**40)),
    ]
    assert max(map(len, largest)) <= MAX_PAYLOAD


def test_a_counter_that_overflows_stays_at_its_highest() -> None:
    told = m.decode_status(m.encode_status({"octets": 2**40, "lost": -1}))
    assert (told["octets"], told["lost"], told["held"]) == (2**32 - 1, 0, 0)


# The reader


def framed(seed: int, count: int) -> list[bytes]:
    chance = random.Random(seed)
    return [
        Frame(m.DATA, m.Data(0, 0, at, chance.randbytes(at % 200)).encode(), 1, at).encode(KEY)
        for at in range(count)
    ]


@given(st.lists(st.integers(1, 400), min_size=1, max_size=60), st.integers(0, 50))
def test_frames_are_found_in_any_pieces(sizes: list[int], seed: int) -> None:
    frames = framed(seed, 12)
    octets, reader, found, at = b"".join(frames), FrameReader(), [], 0
    for size in [*sizes, len(octets)]:
        found += reader.feed(octets[at : at + size])
        at += size
    assert found == [frame[:-1] for frame in frames]


@given(st.binary(max_size=2000), st.integers(1, 300))
def test_noise_costs_no_frame_behind_it_and_no_memory(noise: bytes, size: int) -> None:
    frames, reader, found = framed(1, 3), FrameReader(), []
    octets = noise + b"\x00" + b"".join(frames)
    for at in range(0, len(octets), size):
        found += reader.feed(octets[at : at + size])
        assert len(reader._held) <= MAX_FRAME
    assert found[-3:] == [frame[:-1] for frame in frames]


def test_a_stretch_that_no_frame_can_be_is_counted_once() -> None:
    reader = FrameReader()
    for _ in range(10):
        assert reader.feed(b"\x01" * 200) == []
    assert reader.feed(b"\x00\x01\x00") == [b"\x01"]
    assert reader.too_long == 1


# Keys


@given(st.binary(max_size=300))
def test_the_tag_is_hmacs(octets: bytes) -> None:
    assert KEY.digest(octets) == hmac.new(bytes(range(32)), octets, "sha256").digest()


def test_a_frame_of_another_session_is_not_taken() -> None:
    first = mac.Mac(mac.session_key(bytes(32), bytes(16), bytes(16)))
    second = mac.Mac(mac.session_key(bytes(32), bytes(16), b"\x01" + bytes(15)))
    _, covered, tag = split(Frame(m.ACK, m.encode_ack(3, 3), flags=1).encode(first)[:-1])
    assert first.verify(covered, tag)
    assert not second.verify(covered, tag)


# On MicroPython


@pytest.mark.peer("micropython")
def test_the_vectors_hold_under_micropython() -> None:
    assert on_micropython(VECTORS) == f"{len(CASES)} cases, wrong: []"


@pytest.mark.peer("micropython")
def test_both_interpreters_say_the_same_of_spoilt_frames(tmp_path: Path) -> None:
    chance, cases = random.Random(7), []
    for number in range(400):
        octets = bytearray.fromhex(chance.choice(CASES)["in"]["stuffed"])
        for _ in range(chance.choice((0, 1, 1, 3))):
            octets[chance.randrange(len(octets))] = chance.randrange(256)
        if chance.random() < 0.3:
            octets = bytearray(with_right_sum(bytes(octets), chance))
        case = {
            "name": f"{number}",
            "in": {"key": chance.choice(CASES)["in"]["key"], "stuffed": octets.hex()},
        }
        expect, out = link_runner.run(case)
        cases.append(case | {"expect": expect, "out": out})
    assert len({case["expect"] for case in cases}) >= 4
    path = tmp_path / "spoilt.json"
    path.write_text(json.dumps({"cases": cases}), "utf-8")
    assert on_micropython(path, "4M") == f"{len(cases)} cases, wrong: []"


def with_right_sum(stuffed: bytes, chance: random.Random) -> bytes:
    """Spoilt before the check sum was made: what a faulty peer says."""
    body = bytearray(cobs.decode(stuffed) or bytes(30))[:-4]
    body[chance.randrange(len(body))] ^= 1 << chance.randrange(8)
    return cobs.encode(bytes(body) + struct.pack("<I", zlib.crc32(body)))


def on_micropython(path: Path, heap: str = "192k") -> str:
    """192k: less than a Pico has. A file of hundreds of cases is no board's work."""
    done = subprocess.run(
        [tool("micropython"), "-X", f"heapsize={heap}", str(Path(link_runner.__file__)), str(path)],
        env={"MICROPYPATH": str(REPO / "protocol")}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout.strip()
