"""Writes protocol/vectors/*.json: `python tests/protocol/make_vectors.py [FOLDER]`.

Everything is computed here from the specification with other libraries (`cryptography`, `cbor2`), nothing with the
package under test, so that the vectors check it. All keys are hashes of labels: the output is always the same.
"""

import base64
import hashlib
import hmac
import json
import pathlib
import sys
import unicodedata

import cbor2
import vector_link as link
import vector_payloads as payloads
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SIGN_HEADER, SEAL_HEADER = bytes.fromhex("a10127"), bytes.fromhex("a1011818")
LAST = 2**24 - 1


def label(text):
    return hashlib.sha256(text.encode()).digest()


def mac(key, text):
    return hmac.new(key, text, "sha256").digest()


def ed25519_public(seed):
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def x25519_public(secret):
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def sign(seed, octets):
    return Ed25519PrivateKey.from_private_bytes(seed).sign(octets)


DEVICE = label("device seed")
HQ_SEED, HQ_X = label("recipient seed"), label("recipient x25519")
EPHEMERAL = label("ephemeral")


def crockford(octets):
    bits = f"{int.from_bytes(octets, 'big'):0{len(octets) * 8}b}"[:60]
    letters = "".join("0123456789ABCDEFGHJKMNPQRSTVWXYZ"[int(bits[at : at + 5], 2)] for at in range(0, 60, 5))
    return "-".join(letters[at : at + 4] for at in (0, 4, 8))


def text_form(tag, octets):
    return tag + base64.b64encode(octets).decode().rstrip("=")


def digits(text):
    return None if text is None else int("1" + text) if text.isdigit() and len(text) <= 15 else text


def defaults_item(given):
    terminals = [[digits(tid)] + ([] if mid is None else [digits(mid)]) for tid, mid in given["terminals"]]
    return {
        1: given["device_name"],
        2: given["currency"],
        3: given["utc_offset_min"],
        4: given["shops"],
        5: terminals,
    }


class Pairing:
    """Both ends of one pairing, by the formulas."""

    def __init__(self, ephemeral=EPHEMERAL, device=DEVICE):
        self.device = device
        recipient, self.public = x25519_public(HQ_X), x25519_public(ephemeral)
        secret = X25519PrivateKey.from_private_bytes(ephemeral)
        self.ikm = secret.exchange(X25519PublicKey.from_public_bytes(recipient))
        self.device_key = ed25519_public(device)
        self.binding = hashlib.sha256(b"tillbell/1" + self.device_key + recipient + self.public).digest()
        self.root0, self.root1, self.check_key = (
            HKDF(SHA256(), 32, salt, self.binding).derive(self.ikm)
            for salt in (b"tillbell/1 root", b"tillbell/1 back", b"tillbell/1 check")
        )
        self.items = {
            1: self.device_key,
            2: self.public,
            3: hashlib.sha256(recipient).digest(),
            4: defaults_item(payloads.DEFAULTS),
            5: ed25519_public(HQ_SEED),
        }

    def bundle(self, changes=None, seed=None, payload=None):
        items = {key: item for key, item in (self.items | (changes or {})).items() if item is not None}
        payload = cbor2.dumps(items) if payload is None else payload
        signature = sign(seed or self.device, cbor2.dumps(["Signature1", SIGN_HEADER, b"", payload]))
        return cbor2.dumps(cbor2.CBORTag(18, [SIGN_HEADER, {}, payload, signature]))


def ratchet(root, counter):
    """A, B, C and key of a counter, each step written out."""
    era = root
    for _ in range(counter >> 16):
        era = mac(era, b"era")
    epoch = mac(era, b"epochs")
    for _ in range(counter >> 8 & 255):
        epoch = mac(epoch, b"epoch")
    chain = mac(epoch, b"chain")
    for _ in range(counter & 255):
        chain = mac(chain, b"next")
    return {"era": era, "epoch": epoch, "chain": chain, "key": mac(chain, b"key")}


def steps(pairing, counter, payload, direction=0, **wrong):
    """Every value on the way from payload to message; ``wrong`` replaces one."""
    root = pairing.root1 if direction else pairing.root0
    header = bytes([0x50 + direction]) + pairing.binding[:2] + counter.to_bytes(3, "big")
    aad = header + pairing.binding
    key = wrong.get("key") or ratchet(root, counter)["key"]
    sig_structure = cbor2.dumps(["Signature1", SIGN_HEADER, aad, payload])
    signature = sign(wrong.get("seed") or (HQ_SEED if direction else pairing.device), sig_structure)
    enc_structure = cbor2.dumps(["Encrypt0", SEAL_HEADER, wrong.get("aad") or aad])
    nonce = bytes(9) + counter.to_bytes(3, "big")
    ciphertext = ChaCha20Poly1305(key).encrypt(
        wrong.get("nonce") or nonce, signature + payload, enc_structure
    )
    return {
        "external_aad": aad,
        "message_key": key,
        "sig_structure": sig_structure,
        "signature": signature,
        "enc_structure": enc_structure,
        "nonce": nonce,
        "ciphertext": ciphertext,
        "message": header + ciphertext,
        "encrypt0": cbor2.dumps(
            cbor2.CBORTag(16, [SEAL_HEADER, {4: pairing.binding[:2], 5: nonce}, ciphertext])
        ),
        "sign1": cbor2.dumps(cbor2.CBORTag(18, [SIGN_HEADER, {}, payload, signature])),
    }


def case(name, about, expect, given, /, **out):
    return {"name": name, "about": about, "expect": expect, "in": plain(given), "out": plain(out)}


def plain(value):
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def ratchet_cases():
    root = label("root")
    for counter in (0, 1, 2, 255, 256, 257, 511, 512, 65535, 65536, 65537, 131071, 0x123456, LAST - 1, LAST):
        yield case(f"counter_{counter}", f"a, b, c = {counter >> 16}, {counter >> 8 & 255}, {counter & 255}", "ok",
                   {"root": root, "counter": counter}, **ratchet(root, counter))  # fmt: skip
    yield case("beyond_the_last", "2^24: pair again", "exhausted", {"root": root, "counter": LAST + 1})


def pairing_cases():
    right, other = Pairing(), X25519PrivateKey.from_private_bytes(label("somebody else"))
    recipient = {"ed25519_seed": HQ_SEED, "x25519_secret": HQ_X}
    keys = {name: getattr(right, name) for name in ("ikm", "binding", "root0", "root1", "check_key")}
    bundle = right.bundle()
    yield case("right", "both ends; the bundle is what the device gives the recipient", "ok", recipient | {"bundle": bundle},
               device_seed=DEVICE, ephemeral=EPHEMERAL, card=card(), kid=right.binding[:2], fingerprint=crockford(right.binding[:8]),
               bundle_text=text_form("TBP1.", bundle), defaults=payloads.DEFAULTS, **keys)  # fmt: skip
    yield case("key_of_a_later_version", "unknown keys are left alone", "ok", recipient | {"bundle": right.bundle({9: "later"})},
               kid=right.binding[:2], fingerprint=crockford(right.binding[:8]), defaults=payloads.DEFAULTS, **keys)  # fmt: skip
    faults = [
        (
            "signature_altered",
            "last octet changed",
            "bundle-signature",
            bundle[:-1] + bytes([bundle[-1] ^ 1]),
        ),
        ("another_signer", "signed by another key than D", "bundle-signature", right.bundle(seed=HQ_SEED)),
        (
            "another_recipient",
            "SHA-256 of another R",
            "bundle-recipient",
            right.bundle({3: label("another R")}),
        ),
        (
            "another_signing_key",
            "an S that is not the recipient's",
            "bundle-recipient",
            right.bundle({5: ed25519_public(DEVICE)}),
        ),
        ("low_order_zero", "E is all zero", "low-order", right.bundle({2: bytes(32)})),
        ("low_order_one", "E is one", "low-order", right.bundle({2: b"\x01" + bytes(31)})),
        ("trailing_octet", "after the COSE_Sign1", "bundle", bundle + b"\x00"),
        ("truncated", "one octet short", "bundle", bundle[:-1]),
        ("without_tag", "a bare array", "bundle", bundle[1:]),
        ("another_tag", "tag 19", "bundle", b"\xd3" + bundle[1:]),
        ("without_ephemeral", "key 2 is missing", "bundle", right.bundle({2: None})),
        (
            "defaults_without_currency",
            "key 4 lacks its key 2",
            "bundle",
            right.bundle({4: {1: "till-1", 3: 480}}),
        ),
        (
            "payload_not_deterministic",
            "a map of indefinite length",
            "bundle",
            right.bundle(payload=b"\xbf\xff"),
        ),
    ]
    for name, about, expect, octets in faults:
        yield case(name, about, expect, recipient | {"bundle": octets})
    yield case("another_secret", "the bundle is right, the recipient is another", "bundle-recipient",
               {"ed25519_seed": HQ_SEED, "x25519_secret": other.private_bytes_raw(), "bundle": bundle})  # fmt: skip


def card():
    return cbor2.dumps({1: x25519_public(HQ_X), 2: ed25519_public(HQ_SEED), 3: "总部", 4: "+8613900139000"})


def text_cases():
    """Cards and keys as text; ``form`` says which."""
    public = x25519_public(HQ_X)
    right = text_form("TBC1.", card())
    finger = crockford(hashlib.sha256(public).digest()[:8])
    fields = {
        "x25519": public,
        "ed25519": ed25519_public(HQ_SEED),
        "name": "总部",
        "phone": "+8613900139000",
        "fingerprint": finger,
    }
    yield case("card", "all fields", "ok", {"form": "card", "text": right}, **fields)
    yield case(
        "card_among_comments",
        "as a file may hold it",
        "ok",
        {"form": "card", "text": f"# hq\r\n\r\n{right}\r\n"},
        **fields,
    )
    small = cbor2.dumps({1: public, 3: "hq"})
    yield case("card_least", "neither S nor number", "ok", {"form": "card", "text": text_form("TBC1.", small)},
               x25519=public, ed25519=None, name="hq", phone=None, fingerprint=finger)  # fmt: skip
    for name, about, octets in [
        ("card_without_name", "key 3 is missing", cbor2.dumps({1: public})),
        ("card_short_key", "31 octets", cbor2.dumps({1: public[1:], 3: "hq"})),
        ("card_national_number", "no +", cbor2.dumps({1: public, 3: "hq", 4: "13900139000"})),
        ("card_keys_out_of_order", "not deterministic", cbor2.dumps({3: "hq", 1: public})),
        ("card_trailing_octet", "after the map", small + b"\x00"),
    ]:
        yield case(name, about, "card", {"form": "card", "text": text_form("TBC1.", octets)})
    yield case(
        "card_wrong_tag", "a bundle's tag", "card", {"form": "card", "text": text_form("TBP1.", small)}
    )
    yield case(
        "card_foreign_letter", "base64url", "card", {"form": "card", "text": right[:20] + "-" + right[21:]}
    )
    secret = cbor2.dumps({1: HQ_X, 2: HQ_SEED})
    yield case("key", "a recipient's, with a comment", "ok", {"form": "key", "text": "# 2026\n" + text_form("TBK1.", secret) + "\n"},
               x25519=HQ_X, ed25519=HQ_SEED, fingerprint=finger)  # fmt: skip
    device = crockford(hashlib.sha256(ed25519_public(DEVICE)).digest()[:8])
    yield case("key_of_a_device", "only a seed", "ok", {"form": "key", "text": text_form("TBK1.", cbor2.dumps({2: DEVICE}))},
               x25519=None, ed25519=DEVICE, fingerprint=device)  # fmt: skip
    yield case(
        "key_without_seed",
        "key 2 is missing",
        "key",
        {"form": "key", "text": text_form("TBK1.", cbor2.dumps({1: HQ_X}))},
    )
    yield case("key_cut", "the line was cut", "key", {"form": "key", "text": text_form("TBK1.", secret)[:-1]})


SLIP = cbor2.dumps(payloads.TELLING[0][2])


def seal_cases():
    pairing, other = Pairing(), Pairing(label("another ephemeral"))

    def given(message, direction=0):
        return {"binding": pairing.binding, "root": pairing.root1 if direction else pairing.root0, "message": message,
                "verify_key": ed25519_public(HQ_SEED) if direction else pairing.device_key}  # fmt: skip

    for counter in (0, 255, 256, 65535, 65536, LAST):
        values = steps(pairing, counter, SLIP)
        yield case(
            f"counter_{counter}",
            "a slip",
            "ok",
            given(values.pop("message")),
            payload=SLIP,
            signing_seed=DEVICE,
            **values,
        )
    for length in (1, 34, 47, 48, 938):
        payload = cbor2.dumps("x" * next(n for n in range(length) if len(cbor2.dumps("x" * n)) == length))
        values = steps(pairing, 7, payload)
        yield case(
            f"payload_{length}",
            "octets of payload",
            "ok",
            given(values.pop("message")),
            payload=payload,
            signing_seed=DEVICE,
            **values,
        )
    command = cbor2.dumps([128, payloads.T])
    values = steps(pairing, 3, command, direction=1)
    yield case(
        "back",
        "direction 1, signed by the recipient",
        "ok",
        given(values.pop("message"), 1),
        payload=command,
        signing_seed=HQ_SEED,
        **values,
    )
    right = steps(pairing, 7, SLIP)["message"]
    flipped = [right[:at] + bytes([right[at] ^ 1]) + right[at + 1 :] for at in range(len(right))]
    foreign_binding = pairing.binding[:2] + label("binding")[2:]
    for name, about, expect, message in [
        ("empty", "nothing", "length", b""),
        ("86_octets", "no room for a payload", "length", right[:86]),
        ("1025_octets", "one too many", "length", right + bytes(1025 - len(right))),
        ("type_0x52", "no such type", "type", b"\x52" + right[1:]),
        ("type_0x00", "no such type", "type", b"\x00" + right[1:]),
        ("direction_changed", "0x51 in the place of 0x50", "tag", b"\x51" + right[1:]),
        ("kid_changed", "another pairing's kid", "kid", flipped[2]),
        ("counter_changed", "the header is authenticated", "tag", flipped[5]),
        ("signature_changed", "first octet of the ciphertext", "tag", flipped[6]),
        ("payload_changed", "an octet of the encrypted payload", "tag", flipped[75]),
        ("tag_changed", "last octet", "tag", flipped[-1]),
        ("truncated", "one octet short", "tag", right[:-1]),
        ("extended", "one octet long", "tag", right + b"\x00"),
        ("another_pairings_key", "same device and recipient, paired twice", "tag", right[:3] + steps(other, 7, SLIP)["message"][3:]),
        ("another_counters_key", "key of counter 8", "tag", steps(pairing, 7, SLIP, key=ratchet(pairing.root0, 8)["key"])["message"]),
        ("another_binding", "sealed for a pairing with the same kid", "tag",
         steps(pairing, 7, SLIP, aad=right[:6] + foreign_binding)["message"]),
        ("nonce_zero", "the counter is not in the nonce", "tag", steps(pairing, 7, SLIP, nonce=bytes(12))["message"]),
        ("another_signer", "who has the message key and not D's secret", "signature", steps(pairing, 7, SLIP, seed=label("thief"))["message"]),
        ("signed_by_the_recipient", "S is not D", "signature", steps(pairing, 7, SLIP, seed=HQ_SEED)["message"]),
    ]:  # fmt: skip
        yield case(name, about, expect, given(message))


def payload_cases():
    for name, about, items, shown in payloads.TELLING:
        yield case(
            name, about, "ok", {"payload": cbor2.dumps(items), "defaults": payloads.DEFAULTS}, json=shown
        )
    for name, about, items in payloads.REFUSED:
        yield case(name, about, "payload", {"payload": cbor2.dumps(items), "defaults": payloads.DEFAULTS})


def cbor_cases():
    for name, about, octets in payloads.DETERMINISTIC:
        yield case(name, about, "ok", {"octets": octets})
    for name, about, octets in payloads.NOT_DETERMINISTIC:
        yield case(name, about, "cbor", {"octets": octets})


def armor_cases():
    message = steps(Pairing(), 7, SLIP)["message"]
    letters = base64.b64encode(message).decode().rstrip("=")
    whole = message[: len(message) // 3 * 3]
    wrapped = "\n".join(letters[at : at + 40] for at in range(0, len(letters), 40))
    for name, about, text, blocks in [
        ("alone", "one line", letters, [message]),
        ("wrapped", "by a phone, between other lines", f"From: +86 139\n{wrapped}\n12:30\n", [message]),
        ("crlf_and_spaces", "white space inside", "  " + wrapped.replace("\n", " \r\n\u00a0") + "\u3000", [message]),
        ("two_with_an_empty_line", "an empty line ends a block", f"{letters}\n\n{letters}", [message, message]),
        ("two_with_another_line", "so does a line with other characters", f"{letters}\n-- 2 --\n{letters}", [message, message]),
        ("other_first_letter", "no block starts so", "VVVV\n" + "hello\n", []),
        ("letter_left_over", "a single letter carries no octet", base64.b64encode(whole).decode() + "A", [whole]),
        ("none", "plain text", "您好,收款18.80元", []),
    ]:  # fmt: skip
        yield case(name, about, "ok", {"text": text}, blocks=blocks)


SPACES = "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"


def check_cases():
    key = Pairing().check_key

    def code(text):
        message = "".join(c for c in unicodedata.normalize("NFC", text) if c not in SPACES)
        return f"{int.from_bytes(mac(key, message.encode())[:4], 'big') % 1000000:06d}"

    chinese = "【老王面馆】收款到账18.80元,05-04 12:30,第42笔,校验"
    english = "Café: received EUR 18.80. #42. Check "
    zero = next(
        text for text in (f"Sale {number}. Check " for number in range(1000)) if code(text).startswith("0")
    )
    for name, about, text in [
        ("chinese", "code at the end", chinese + code(chinese)),
        ("with_a_tail", "text without digits may follow the code", f"{english}{code(english + ' OK')} OK"),
        ("white_space_added", "every ignored character", english[:5] + SPACES + english[5:] + code(english)),
        ("white_space_lost", "no spaces at all", (english + code(english)).replace(" ", "")),
        ("decomposed", "NFD on the way", unicodedata.normalize("NFD", english) + code(english)),
        ("leading_zero", "kept", zero + code(zero)),
    ]:
        yield case(name, about, "ok", {"key": key, "text": text})
    for name, about, text in [
        ("amount_changed", "18.80 to 98.80", english.replace("18.80", "98.80") + code(english)),
        ("code_changed", "one digit", english + f"{(int(code(english)) + 1) % 1000000:06d}"),
        ("zero_width_space", "is not ignored", "\u200b" + english + code(english)),
        ("digits_after_the_code", "the last run counts", english + code(english) + " 7"),
        ("seven_digits", "must be exactly six", english + code(english) + "0"),
        ("full_width_digits", "are not ASCII digits", english + "１２３４５６"),
        ("no_code", "no digits", "hello"),
    ]:
        yield case(name, about, "mismatch", {"key": key, "text": text})


def receiver_cases():
    """A recipient with its bundles; each message in turn, and what becomes of it."""
    first = Pairing()

    def told(counter, predecessor=..., amount=1880, pairing=first, **wrong):
        extras = [] if predecessor is ... else [{0: predecessor}]
        return steps(pairing, counter, cbor2.dumps([0, payloads.T, amount, *extras]), **wrong)["message"]

    def sequence(name, about, expect, messages, gaps, closed=()):
        return case(name, about, expect, {"ed25519_seed": HQ_SEED, "x25519_secret": HQ_X, "bundles": [first.bundle()], "closed": list(closed),
                                          "messages": [{"message": message, "expect": word} for message, word in messages]},
                    gaps=gaps)  # fmt: skip

    m = [told(counter) for counter in range(4)]
    yield sequence("in_order", "nothing missing", "ok", [(m[0], "ok"), (m[1], "ok"), (m[2], "ok")], [])
    yield sequence("out_of_order", "late by two", "ok", [(m[2], "ok"), (m[0], "ok"), (m[1], "ok")], [])
    yield sequence("gap", "two are missing", "ok", [(m[0], "ok"), (m[3], "ok")], [[1, 2]])
    yield sequence(
        "restart",
        "skipped counters are no gap",
        "ok",
        [(m[0], "ok"), (told(512, 0), "ok"), (told(513), "ok")],
        [],
    )
    yield sequence("nothing_before", "the first message of all", "ok", [(told(512, None), "ok")], [])
    yield sequence("duplicate", "the same octets", "duplicate", [(m[0], "ok"), (m[0], "duplicate")], [])
    yield sequence(
        "counter_reused",
        "another message under the same counter",
        "reused",
        [(m[0], "ok"), (told(0, amount=9), "reused")],
        [],
    )
    broken = m[0][:-1] + bytes([m[0][-1] ^ 1])
    yield sequence(
        "forged_reuse",
        "a used counter and a wrong tag is an ordinary failure",
        "tag",
        [(m[0], "ok"), (broken, "tag")],
        [],
    )
    yield sequence(
        "forged_first", "does not block the genuine one", "tag", [(broken, "tag"), (m[0], "ok")], []
    )
    yield sequence("predecessor_too_low", "1 was opened, 512 says only 0 was sealed", "reused",
                   [(m[0], "ok"), (m[1], "ok"), (told(512, 0), "reused")], [])  # fmt: skip
    yield sequence("skipped_counter_used", "a message in a hole that was declared", "reused",
                   [(m[0], "ok"), (told(512, 0), "ok"), (m[1], "reused")], [])  # fmt: skip
    yield sequence(
        "predecessor_not_lower", "its own counter", "payload", [(told(5, 5), "payload"), (m[0], "ok")], []
    )
    thief = told(1, seed=label("thief"))
    yield sequence(
        "signature_then_genuine",
        "a refused message marks nothing",
        "signature",
        [(thief, "signature"), (m[0], "ok"), (m[1], "ok")],
        [],
    )
    back = steps(first, 0, cbor2.dumps([128, 1]), direction=1)["message"]
    yield sequence("direction", "a recipient takes no commands", "direction", [(back, "direction")], [])
    stranger = told(0, pairing=Pairing(label("stranger"), label("strange device")))
    yield sequence("unknown_kid", "never paired", "kid", [(stranger, "kid")], [])
    bad = steps(first, 0, b"\x9f\x00\xff")["message"]
    yield sequence("payload_not_deterministic", "sealed and signed well", "payload", [(bad, "payload")], [])
    yield sequence(
        "closed", "the pairing was closed", "closed", [(m[0], "closed")], [], closed=[first.binding]
    )


FILES = {
    "cbor": ("Octets, and whether they are one deterministic item of this format.", cbor_cases),
    "ratchet": ("A root and a counter become a message key, with the values on the way.", ratchet_cases),
    "text": ("Cards and keys in their text forms.", text_cases),
    "pairing": ("A recipient's secret and a bundle become a pairing.", pairing_cases),
    "payload": ("Payload octets and the pairing's defaults become JSON.", payload_cases),
    "seal": ("A payload becomes a message and back, with every value on the way.", seal_cases),
    "armor": ("Blocks of armor in pasted text.", armor_cases),
    "check": ("Readable texts with check codes.", check_cases),
    "link": ("Frames of the link to a firmware bridge.", link.cases),
    "receiver": ("Sequences of messages at one recipient; `expect` names the layer that refuses one of them.", receiver_cases),
}  # fmt: skip


def main(folder):
    for name, (about, cases) in FILES.items():
        document = {"about": about, "cases": list(cases())}
        text = json.dumps(document, ensure_ascii=True, indent=1)
        (folder / f"{name}.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    default = pathlib.Path(__file__).parents[2] / "protocol" / "vectors"
    main(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default)
