"""A sale's whole way, in the processes that a shop runs: printed octets in, a phone's text and an opened message out."""

import json
import os
import re
import socket
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import cbor2
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from shop import BOOKS, HQ, OWNER, Shop, slip

from tillbell_agent.sim.demo_receipts import morning
from tillbell_protocol.event import Kind
from tillbell_protocol.pairing import SecretKey, bundle_from_text, pair_as_recipient
from tillbell_protocol.ratchet import message_key

escpos_peer = pytest.mark.peer("python-escpos")


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with Shop(tmp_path, ("owner", "hq", "books")) as shop:
        yield shop


def escpos_receipt(number: str = "20261121000417", amount: str = "126.50") -> bytes:
    """A till slip as python-escpos makes it: Chinese text, a picture, a QR code, a cut."""
    printer_module = pytest.importorskip("escpos.printer", reason="absent peer: python-escpos")
    image_module = pytest.importorskip("PIL.Image", reason="absent peer: python-escpos")
    printer = printer_module.Dummy()
    printer.hw("INIT")
    picture = image_module.frombytes("1", (96, 32), b"TOTAL 999.99" * 32)
    printer.image(picture)
    printer.set(align="center", bold=True, double_height=True, double_width=True)

    def chinese(text: str) -> None:
        printer._raw(text.encode("gb18030") + b"\n")

    chinese("老王面馆")
    printer.set(align="left", bold=False, normal_textsize=True)
    chinese(f"单号:{number} 收银员:001")
    chinese("2026-11-21 12:31:07")
    chinese("-" * 32)
    chinese("牛肉面 x2                  76.50")
    chinese("凉菜 x5                    50.00")
    chinese("-" * 32)
    chinese(f"应收                  ￥{amount}")
    chinese(f"微信支付                {amount}")
    chinese("找零                      0.00")
    printer.qr("https://example.invalid/?TOTAL 999.99", size=4)
    printer.cut()
    return bytes(printer.output)


@escpos_peer
@pytest.mark.peer("cwt")
def test_a_receipt_of_a_real_escpos_library_becomes_the_right_text_and_a_message_that_cwt_verifies(
    shop: Shop,
) -> None:
    octets = escpos_receipt()
    shop.start_modem()
    shop.pair("hq")
    shop.pair("books")
    shop.start_agent()
    shop.line.write(octets)
    text = shop.wait("the owner's text", lambda: shop.texts(OWNER))[0]
    assert re.fullmatch(
        r"【老王面馆】\S*126\.50元,\d\d-\d\d \d\d:\d\d,微信支付,第1笔,今日累计126\.50元,校验\d{6}", text
    ), text
    sealed = shop.wait("the sealed message", lambda: shop.sealed(HQ))[0]
    opened = shop.open(sealed)[0]
    assert opened["device"] == "till-1"
    assert opened["counter"] == 0
    event = opened["event"]
    assert (event["kind"], event["amount_minor"], event["currency"]) == ("sale", 12650, "CNY")
    assert event["reference"] == event["receipt_no"] == "20261121000417"
    assert event["card_last4"] is None
    assert event["shop"] == "老王面馆"
    heard = datetime.fromisoformat(event["time"])
    assert abs((heard - datetime.now(heard.tzinfo)).total_seconds()) < 120
    armored = shop.wait("the armored message", lambda: shop.texts(BOOKS))[0]
    assert shop.open(armored, recipient="books")[0]["event"]["amount_minor"] == 12650
    assert len(shop.shown(HQ)) == len(shop.shown(OWNER)) == len(shop.shown(BOOKS)) == 1
    assert shop.shown(HQ)[0]["port"] == 16180
    assert "999.99" not in shop.log.read_text("utf-8")
    verify_with_cwt(shop, sealed, opened)


def verify_with_cwt(shop: Shop, sealed: str, opened: dict[str, Any]) -> None:
    """An independent COSE library decrypts and verifies what ``tillbell expand`` gives it."""
    cwt = pytest.importorskip("cwt", reason="absent peer: cwt")
    keys = ("--key", str(shop.key()), "--bundle", str(shop.bundle()))
    told = json.loads(shop.tillbell("expand", "--json", sealed, *keys).stdout)
    encrypt0, aad, sign1 = (bytes.fromhex(told[name]) for name in ("encrypt0", "external_aad", "sign1"))
    pairing = pair_as_recipient(
        SecretKey.from_text(shop.key().read_text()), bundle_from_text(shop.bundle().read_text().strip())
    )
    kid = bytes.fromhex(sealed)[1:3]
    aead = cwt.COSEKey.new(
        {1: 4, 3: 24, -1: message_key(pairing.root0, opened["counter"]), 4: [3, 4], 2: kid}
    )
    plaintext = cwt.COSE.new().decode(encrypt0, aead, external_aad=aad)
    verifier = cwt.COSEKey.new({1: 1, 3: -8, -1: 6, -2: pairing.device_key, 4: [2], 2: kid})
    payload = cwt.COSE.new(verify_kid=False).decode(sign1, verifier, external_aad=aad)
    assert plaintext[64:] == payload
    assert cbor2.loads(sign1).value[3] == plaintext[:64]
    assert cbor2.loads(payload)[0] == Kind.SALE


def test_a_morning_with_a_void_a_refund_and_jobs_that_are_no_sale_is_told_once_and_rightly(
    shop: Shop,
) -> None:
    shop.start_modem()
    shop.pair("hq")
    shop.pair("books")
    shop.start_agent()
    printed = morning(11, datetime(2026, 11, 21, 12, 0))
    expected = [one.expected for one in printed if one.expected]
    for one in printed:
        shop.line.write(one.octets)
    shop.wait(
        "all that is owed",
        lambda: all(len(shop.shown(phone)) >= len(expected) for phone in (OWNER, HQ, BOOKS)),
    )
    for messages, recipient in ((shop.sealed(HQ), "hq"), (shop.texts(BOOKS), "books")):
        events = [one["event"] for one in shop.open(*messages, recipient=recipient)]
        assert [
            (event["kind"], event["amount_minor"], event["reference"], event["card_last4"])
            for event in sorted(events, key=lambda event: expected_place(expected, event))
        ] == [(one.kind.word, one.amount_minor, one.reference, one.card_last4) for one in expected]
    assert any("撤销" in text for text in shop.texts())
    assert any("退款" in text for text in shop.texts())
    net = sum(one.amount_minor * (1 if one.kind is Kind.SALE else -1) for one in expected)
    status = shop.json("status")
    assert (status["last_seq"], status["today"][0]["net_minor"]) == (len(expected), net)
    assert [row["kind"] for row in reversed(shop.json("txn"))] == [one.kind.word for one in expected]
    ignored = [line for line in shop.agent_said().splitlines() if "ignored" in line]
    assert any("reprint" in line for line in ignored)
    assert shop.stop_agent() == 0
    assert all(len(shop.shown(phone)) == len(expected) for phone in (OWNER, HQ, BOOKS))


def expected_place(expected: list[Any], event: dict[str, Any]) -> int:
    return [one.reference for one in expected].index(event["reference"])


def test_a_second_copy_and_a_reprint_ring_no_second_time(tmp_path: Path) -> None:
    with Shop(tmp_path, ("owner",)) as shop:
        shop.start_modem()
        shop.start_agent()
        first = slip("88.00", "000101")
        copy = first.replace(
            "商户存根 MERCHANT COPY".encode("gb18030"), "持卡人存根 CARDHOLDER COPY".encode("gb18030")
        )
        reprint = slip("88.00", "000101", more="***重打印凭证/DUPLICATED***\n")
        for octets in (first, copy, reprint, first):
            shop.line.write(octets)
        shop.line.write(slip("9.00", "000102"))
        shop.wait("the second sale", lambda: len(shop.texts()) == 2)
        assert ["88.00元" in text for text in shop.texts()] == [True, False]
        assert "累计97.00元" in shop.texts()[1]
        told = shop.json("status")["sources"][0]
        assert (told["told"], told["known"], told["ignored"]) == (2, 2, 1)


def test_sealed_events_are_held_until_paired_and_leave_while_the_agent_runs(tmp_path: Path) -> None:
    with Shop(tmp_path) as shop:
        shop.start_modem()
        shop.start_agent()
        shop.line.write(slip("12.00", "000001") + slip("13.00", "000002"))
        shop.wait("both texts", lambda: len(shop.texts()) == 2)
        status = shop.json("status", code=1)
        hq = next(each for each in status["recipients"] if each["name"] == "hq")
        assert "not paired" in hq["held_because"]
        assert "tillbell pair --recipient hq" in hq["held_because"]
        assert status["messages"]["hq"] == {"held": 2}
        assert "HELD" in shop.tillbell("status", "--config", str(shop.config), code=1).stdout
        shop.pair("hq")
        sealed = shop.wait("what was held", lambda: shop.sealed() if len(shop.sealed()) == 2 else [])
        assert [one["event"]["amount_minor"] for one in shop.open(*sealed)] == [1200, 1300]
        shop.wait(
            "everything well", lambda: shop.json("status", code=None)["messages"]["hq"].get("held") is None
        )
        assert shop.tillbell("status", "--config", str(shop.config)).returncode == 0


def test_send_goes_through_the_running_agent_and_waits_in_the_store_without_one(tmp_path: Path) -> None:
    with Shop(tmp_path, ("owner",)) as shop:
        config = ("--config", str(shop.config))
        early = shop.tillbell("send", *config, "--to", "owner", "明天休息").stdout
        assert "queued; it leaves when tillbell run is started" in early
        assert [row["state"] for row in shop.json("queue")] == ["queued"]
        shop.start_modem()
        shop.start_agent()
        shop.wait("the first text", lambda: shop.texts() == ["明天休息"])
        assert (
            "queued with the running agent"
            in shop.tillbell("send", *config, "--to", "owner", "Back on Monday").stdout
        )
        shop.wait("the second text", lambda: shop.texts()[1:] == ["Back on Monday"])
        shop.tillbell("send-test", *config)
        shop.wait("the test text", lambda: len(shop.texts()) == 3)
        shop.wait("all delivered", lambda: {row["state"] for row in shop.json("queue")} == {"delivered"})
        assert shop.tillbell("send", *config, "--to", "nobody", "x", code=2).stderr.startswith(
            "tillbell: no recipient"
        )


def test_a_lost_answer_repeats_the_sealed_octets_and_the_receiver_drops_the_second(tmp_path: Path) -> None:
    with Shop(tmp_path, ("hq",)) as shop:
        shop.start_modem()
        shop.pair("hq")
        shop.start_agent()
        shop.line.write(slip("5.00", "000001"))
        shop.wait("the first", lambda: len(shop.sealed()) == 1)
        shop.kill_agent()
        # The answer to the next one comes only after the agent is gone.
        shop.ask_modem(do="latency", ms=400)
        shop.start_agent()
        shop.line.write(slip("6.00", "000002"))
        shop.wait("the second on the network", lambda: len(shop.sealed()) == 2)
        pdus = sum(record["ev"] == "pdu" for record in shop.records())
        assert pdus >= 2
        shop.line.write(slip("7.00", "000003"))
        shop.wait("the third is with the modem", lambda: sum(r["ev"] == "pdu" for r in shop.records()) > pdus)
        shop.kill_agent()
        shop.start_agent()
        shop.wait("its repetition", lambda: len(shop.sealed()) >= 4)
        messages = shop.sealed()
        assert messages[2] == messages[3]
        told = shop.open(*messages)
        assert [one.get("error") for one in told] == [None, None, None, "Duplicate"]
        assert [one["event"]["amount_minor"] for one in told[:3]] == [500, 600, 700]


def test_ready_is_told_to_the_service_manager_and_sigterm_ends_with_exit_code_0(tmp_path: Path) -> None:
    with Shop(tmp_path, ("owner",)) as shop, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "n"))
        manager.settimeout(20)
        os.environ["NOTIFY_SOCKET"] = str(tmp_path / "n")
        try:
            shop.start_agent()
        finally:
            del os.environ["NOTIFY_SOCKET"]
        assert manager.recv(100) == b"READY=1"
        assert shop.stop_agent() == 0
        assert manager.recv(100) == b"STOPPING=1"
        assert "ready" in shop.agent_said().splitlines()


def test_sigterm_in_the_middle_of_a_receipt_still_hears_it_to_its_end(tmp_path: Path) -> None:
    with Shop(tmp_path, ("owner",), idle_s=1.0) as shop:
        agent = shop.start_agent()
        octets = slip("41.00", "000009")
        shop.line.write(octets[:-60])
        shop.wait(
            "half a receipt is heard", lambda: shop.json("status", code=None)["sources"][0]["octets"] > 100
        )
        agent.process.terminate()
        shop.line.write(octets[-60:])
        assert agent.process.wait(20) == 0
        assert [row["amount_minor"] for row in shop.json("txn")] == [4100]
        assert "Traceback" not in shop.agent_said()
