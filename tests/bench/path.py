"""The whole path, measured on a running agent: start, rest, one sale at a time, and as many sales as it can hear."""

import random
import time
from collections.abc import Iterator

from figures import Table, median, one, percentile, progress
from proc import cpu_s, file_system, status_kib, sync_ms, wakeups, written_octets
from shop import Agent, BenchError, Shop

from tillbell_agent.sim.receipts import Receipt

_RECIPIENTS = 2
# A cut: GS V, function B. What follows it in a job, a second copy or the drawer's pulse, is no part of the sale.
_CUT = b"\x1dVB\x00"
# Long enough for the last commit behind an answer, and for the status reports, which the simulated network sends 50 ms
# later, to be over and done with.
_REST_S = 0.08


def start(shop: Shop, times: int) -> Table:
    """From exec to READY=1, all files in the page cache."""
    durations, processor = [], []
    for number in range(times + 1):
        agent = shop.start()
        if number:  # the first one compiles, and warms the cache
            durations.append(agent.start_s)
            processor.append(cpu_s(agent.pid))
        agent.wait_ready()
        shop.stop()
    rows = (
        one("start_median", "start to READY=1, median", median(durations), "s", "0.5"),
        one("start_max", "  slowest", max(durations), "s"),
        one("start_cpu", "  processor time in it, median", median(processor), "s"),
    )
    return Table("start", f"Start, {times} times", ("measured",), rows)


def rest(shop: Shop, seconds: float) -> Table:
    """An agent that has everything open and nothing to do."""
    shop.start().wait_ready()
    shop.stop()  # the start that compiles; compiling leaves memory behind
    agent = shop.start()
    agent.wait_ready()
    agent.idle(1.0)
    cpu, woken = cpu_s(agent.pid), wakeups(agent.pid)
    agent.idle(seconds)
    cpu, woken = cpu_s(agent.pid) - cpu, wakeups(agent.pid) - woken
    rows = (
        one("rss_idle", "resident memory (VmRSS)", status_kib(agent.pid, "VmRSS") / 1024, "MiB", "30"),
        one("hwm_idle", "at most so far (VmHWM)", status_kib(agent.pid, "VmHWM") / 1024, "MiB"),
        one("cpu_idle", "processor time", 100 * cpu / seconds, "% of a core", "0.2"),
        one("wakeups_idle", "woken", woken / seconds, "times a second"),
    )
    shop.stop()
    return Table("idle", f"At rest for {seconds:.0f} s: two terminals, a modem", ("measured",), rows)


def one_at_a_time(shop: Shop, count: int) -> Table:
    """``count`` sales, each into an agent at rest: how soon the modem hears of it, and what the disk gets to write."""
    agent = shop.start()
    agent.wait_ready()
    agent.rest(_REST_S)
    jobs, chance = _single_jobs(shop), random.Random(count)
    first, last, processor = [], [], cpu_s(agent.pid)
    written, segments = written_octets(agent.pid), len(agent.segments)
    for number in range(count):
        if number % 50 == 0:
            progress(f"sale {number} of {count}, one at a time")
        to_first, to_last = _one_sale(agent, next(jobs), chance)
        first.append(1000 * to_first)
        last.append(1000 * to_last)
        agent.rest(_REST_S)
    written = written_octets(agent.pid) - written
    processor = cpu_s(agent.pid) - processor
    segments = len(agent.segments) - segments
    opened = _opened(shop, agent)
    shop.stop()
    syncs = sync_ms(shop.folder)
    disk = file_system(shop.folder)
    rows = (
        one("latency_median", "last octet of the job to AT+CMGS, median", median(first), "ms", "10"),
        one("latency_p99", "  99 % at most", percentile(first, 0.99), "ms"),
        one("latency_max", "  longest", max(first), "ms"),
        one("both_median", "  until both messages are accepted, median", median(last), "ms"),
        one("sync_median", "one fsync of 1 KiB on this disk, median", median(syncs), "ms"),
        one(
            "written",
            f"written for a sale and {_RECIPIENTS} messages ({disk})",
            written / 1024 / count,
            "KiB",
            "128",
        ),
        one("cpu_per_sale", "processor time for a sale", 1000 * processor / count, "ms"),
        one("segments", "SMS for a sale", segments / count, "SMS"),
        one("opened", "sealed messages that headquarters opened", opened, f"of {count}"),
    )
    notes = ("a text and a sealed message; durable and the WAL truncated before the first AT+CMGS",)
    return Table("latency", f"{count} sales, one at a time", ("measured",), rows, notes)


def as_fast_as_it_goes(shop: Shop, count: int, drain: int) -> list[Table]:
    """``count`` sales without a pause, then ``drain`` messages of what has piled up."""
    agent = shop.start()
    agent.wait_ready()
    agent.rest(_REST_S)
    marks = _marks(count)
    sizes, began, processor = [status_kib(agent.pid, "VmRSS") / 1024], time.monotonic(), cpu_s(agent.pid)
    jobs = shop.sales(lambda job: _CUT in job.octets)  # without a cut, the last one would end by waiting
    fed = 0
    while len(agent.told) < count:
        if fed < count and not shop.printer.unwritten:
            shop.printer.write(next(jobs).octets)
            fed += 1
        agent.turn(0.0 if fed < count and not shop.printer.unwritten else 1.0)
        _check_progress(agent, began, fed)
        if len(sizes) <= len(marks) and len(agent.told) >= marks[len(sizes) - 1]:
            sizes.append(status_kib(agent.pid, "VmRSS") / 1024)
            progress(
                f"{len(agent.told)} of {count} sales heard, {len(agent.messages)} messages sent, {sizes[-1]:.1f} MiB"
            )
    heard_s, processor = agent.told[count - 1] - began, cpu_s(agent.pid) - processor
    meanwhile = len(agent.messages)
    drained = _drain(agent, min(drain, _RECIPIENTS * count - meanwhile))
    memory = [
        one("rss_start", "resident at the start (VmRSS)", sizes[0], "MiB", "30"),
        *(
            one(f"rss_{mark}", f"  after {mark} sales", size, "MiB", "30")
            for mark, size in zip(marks, sizes[1:], strict=True)
        ),
        one(
            "rss_drained",
            f"  after {len(agent.messages)} messages",
            status_kib(agent.pid, "VmRSS") / 1024,
            "MiB",
            "30",
        ),
        one("hwm", "  at most (VmHWM)", status_kib(agent.pid, "VmHWM") / 1024, "MiB"),
    ]
    rows = (
        one("heard", "heard and durable", count / heard_s, "sales/s"),
        one("sent_meanwhile", "  sent meanwhile", meanwhile / heard_s, "messages/s"),
        one("cpu_per_sale", "  processor time a sale, and what was sent", 1000 * processor / count, "ms"),
        one("sent", "sent, the terminal silent", drained, "messages/s"),
    )
    shop.stop()
    return [
        Table("throughput", f"{count} sales without a pause", ("measured",), rows),
        Table("memory", f"Memory over {count} sales", ("measured",), tuple(memory)),
    ]


def _one_sale(agent: Agent, octets: bytes, chance: random.Random) -> tuple[float, float]:
    """Seconds from the job's last octet to the first AT+CMGS, and to the last message's being accepted."""
    agent.print(octets[:-1])
    agent.idle(
        0.02 + chance.random() * 0.01
    )  # what came before is read, and the moment is no multiple of anything
    commands, messages = len(agent.commands), len(agent.messages)
    began = time.monotonic()
    agent.print(octets[-1:])
    agent.wait("an AT+CMGS for the sale", lambda: len(agent.commands) > commands)
    agent.wait("both messages are accepted", lambda: len(agent.messages) >= messages + _RECIPIENTS)
    return agent.commands[commands] - began, agent.messages[messages + _RECIPIENTS - 1] - began


def _single_jobs(shop: Shop) -> Iterator[bytes]:
    """Jobs of one copy that end with a cut, of sales that both recipients hear of."""

    def rings(job: Receipt) -> bool:
        return (
            job.expected is not None
            and job.expected.kind.word in {"sale", "void", "refund"}
            and _CUT in job.octets
        )

    for job in shop.sales(rings):
        yield job.octets[: job.octets.index(_CUT) + len(_CUT)]


def _opened(shop: Shop, agent: Agent) -> int:
    """How many of the sealed messages headquarters opens; BenchError if a counter is missing or was used twice."""
    receiver = shop.headquarters()
    counters = {receiver.open(message).counter for message in agent.sealed}
    if len(counters) != len(agent.sealed):
        raise BenchError("two sealed messages have one counter")
    return len(counters)


def _marks(count: int) -> list[int]:
    """When memory is looked at: after a tenth, a half and all."""
    return [count // 10, count // 2, count]


def _check_progress(agent: Agent, began: float, fed: int) -> None:
    last = agent.told[-1] if agent.told else began
    if time.monotonic() - last > 20:
        raise BenchError(f"{fed} sales were printed, {len(agent.told)} heard, and no more for 20 s")


def _drain(agent: Agent, count: int) -> float:
    """Messages a second, over the next ``count`` that are accepted."""
    if count <= 0:
        return 0.0
    began, before = time.monotonic(), len(agent.messages)
    agent.wait("what has piled up is sent", lambda: len(agent.messages) >= before + count)
    return count / (agent.messages[before + count - 1] - began)
