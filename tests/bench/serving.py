# SPDX-License-Identifier: Apache-2.0
"""The serving figures: a real broker on loopback, measured through `cord bench` and serving_bench, beside the baselines of `limit`."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

START_SECONDS = 30
SETTLE_SECONDS_MAX = 60
RECORD = 1024                 # bytes of a value, where nothing else is said
BATCH_BYTES = 128 * 1024      # of the library's batches
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

# bench, figure, key, comparison, target; as in figures.py
FIGURES = [
    ("produce_os", "produce 1 KiB, 16 partitions, os, library: MB/s", "mb_per_s", ">=", 350),
    ("produce_os", "  broker CPU-s/GB", "cpu_s_per_gb", "<=", 2.2),
    ("produce_os", "  broker memory (RSS), highest: MB", "rss_mb", None, None),
    ("produce_os", "  ratio to the fair baseline", "fair_ratio", ">=", 0.40),
    ("produce_os", "  ratio to the bare baseline", "bare_ratio", None, None),
    ("produce_os", "  client CPU-s/GB", "client_cpu_s_per_gb", None, None),
    ("batches_os", "pre-built batches, 16 partitions, os: MB/s", "mb_per_s", ">=", 500),
    ("batches_os", "  broker CPU-s/GB", "cpu_s_per_gb", "<=", 2.0),
    ("batches_os", "  broker memory (RSS), highest: MB", "rss_mb", None, None),
    ("batches_os", "  ratio to the bare baseline", "bare_ratio", None, None),
    ("produce_fsync", "produce 1 KiB, 16 partitions, fsync, library: MB/s", "mb_per_s", ">=", 220),
    ("produce_fsync", "  ratio to the fair baseline, fsync", "fair_ratio", ">=", 0.45),
    ("produce_fsync", "  ratio to the bare baseline, fsync", "bare_ratio", None, None),
    ("produce_fsync", "  the fair baseline in MB/s", "fair_mb_per_s", None, None),
    ("produce_fsync", "  broker CPU-s/GB", "cpu_s_per_gb", None, None),
    ("produce_fsync", "  broker memory (RSS), highest: MB", "rss_mb", None, None),
    ("small", "100 B, 1 partition, os, library: records/s", "records_per_s", ">=", 1_200_000),
    ("small", "  pre-built: records/s", "prebuilt_records_per_s", ">=", 2_500_000),
    ("single", "batches of one 1 KiB record, 1 000 partitions, pre-built: batches/s", "prebuilt_batches_per_s", ">=", 60_000),
    ("single", "  through the library: batches/s", "batches_per_s", None, None),
    ("catchup", "catch-up consume, warm: MB/s", "warm_mb_per_s", ">=", 900),
    ("catchup", "  broker CPU-s/GB", "warm_cpu_s_per_gb", "<=", 0.8),
    ("catchup", "catch-up consume, cold: ratio to a plain read", "cold_ratio", ">=", 0.50),
    ("catchup", "  the same in MB/s", "cold_mb_per_s", None, None),
    ("catchup", "  the plain read in MB/s", "plain_mb_per_s", None, None),
    ("catchup", "  broker CPU-s/GB", "cold_cpu_s_per_gb", "<=", 0.8),
    ("catchup", "  broker memory (RSS), highest: MB", "rss_mb", None, None),
    ("tail", "4 consumers at the tail of 150 MB/s: slowest, share of the producer's rate", "slowest_share", ">=", 0.97),
    ("tail", "  the producer's MB/s", "mb_per_s", ">=", 145),
    ("tail", "  worst p99 of the lag: ms", "lag_p99_ms", None, None),
    ("tail", "  broker CPU-s per GB produced", "cpu_s_per_gb", None, None),
    ("tail", "  broker memory (RSS), highest: MB", "rss_mb", None, None),
    ("rate_10k_os", "10 k/s of 1 KiB, no linger, os: p50 ms", "p50_ms", "<=", 0.2),
    ("rate_10k_os", "  p99 ms", "p99_ms", "<=", 0.8),
    ("rate_10k_os", "  p99.9 ms", "p99_9_ms", "<=", 3),
    ("rate_10k_os", "  the bare exchange's p50 ms", "floor_p50_ms", None, None),
    ("rate_10k_os", "  the bare exchange's p99 ms", "floor_p99_ms", None, None),
    ("rate_10k_os", "  the bare exchange's p99.9 ms", "floor_p99_9_ms", None, None),
    ("rate_10k_os", "  CPU time the hypervisor took meanwhile: %", "stolen_percent", None, None),
    ("rate_10k_fsync", "10 k/s of 1 KiB, no linger, fsync: p50 ms", "p50_ms", "<=", 0.6),
    ("rate_10k_fsync", "  p99 ms", "p99_ms", "<=", 2),
    ("rate_10k_fsync", "  p99.9 ms", "p99_9_ms", "<=", 8),
    ("rate_10k_fsync", "  the bare exchange's p50 ms", "floor_p50_ms", None, None),
    ("rate_10k_fsync", "  the bare exchange's p99 ms", "floor_p99_ms", None, None),
    ("rate_10k_fsync", "  the bare exchange's p99.9 ms", "floor_p99_9_ms", None, None),
    ("rate_10k_fsync", "  CPU time the hypervisor took meanwhile: %", "stolen_percent", None, None),
    ("rate_50k_os", "50 k/s of 1 KiB, no linger, os: p50 ms", "p50_ms", "<=", 0.5),
    ("rate_50k_os", "  p99 ms", "p99_ms", "<=", 3),
    ("rate_50k_os", "  p99.9 ms", "p99_9_ms", "<=", 12),
    ("rate_50k_os", "  the bare exchange's p50 ms", "floor_p50_ms", None, None),
    ("rate_50k_os", "  the bare exchange's p99 ms", "floor_p99_ms", None, None),
    ("rate_50k_os", "  the bare exchange's p99.9 ms", "floor_p99_9_ms", None, None),
    ("rate_50k_os", "  CPU time the hypervisor took meanwhile: %", "stolen_percent", None, None),
    ("e2e_os", "end to end, one record back to back, os: p50 ms", "p50_ms", "<=", 0.2),
    ("e2e_os", "  p99 ms", "p99_ms", "<=", 0.6),
    ("e2e_fsync", "end to end, one record back to back, fsync: p50 ms", "p50_ms", "<=", 0.45),
    ("e2e_fsync", "  p99 ms", "p99_ms", "<=", 1),
    ("e2e_idle", "end to end, after 1 s idle, os: p50 ms", "p50_ms", "<=", 1.5),
    ("e2e_idle", "  p99 ms", "p99_ms", "<=", 4),
    ("replay", "produce 10 k/s beside a consumer that replays: p99 ms", "p99_ms", "<=", 5),
    ("replay", "  CPU time the hypervisor took meanwhile: %", "stolen_percent", None, None),
    ("replay", "  GB replayed meanwhile", "replayed_gb", None, None),
    ("replay", "  GB in the replayed topic", "topic_gb", None, None),
    ("rss", "memory (RSS, highest) under full load: MB", "rss_mb", "<=", 600),
    ("waits", "10 000 waiting fetches on 100 connections: MB more", "more_mb", "<=", 200),
]


def cpu_ticks():
    """All ticks of the machine's CPUs since it started, and those of them that the hypervisor took."""
    fields = [int(field) for field in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(fields), fields[7]


class Broker:
    """A cordwoodd of its own in a fresh directory; removed with everything in it."""

    def __init__(self, binaries, parent, settings=()):
        self.binaries = binaries
        self.flags = [flag for setting in settings for flag in ("--set", setting)]
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="cordwood-bench-", dir=parent))
        self.process = None
        self.highest_mb = 0
        try:
            self.start()
        except BaseException:
            self.remove()
            raise

    def start(self):
        ports = self.directory / "ports"
        ports.unlink(missing_ok=True)
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen([self.binaries / "cordwoodd", "--data-dir", self.directory / "data", "--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0",
                                             "--port-file", ports, *self.flags], stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not ports.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the broker did not start: " + (self.directory / "log").read_text())
            time.sleep(0.01)
        self.address = dict(line.split("=", 1) for line in ports.read_text().split())["grpc"]

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        self.highest_mb = self.highest_memory_mb()
        self.process.terminate()
        try:
            self.process.wait(timeout=START_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def remove(self):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def cpu_seconds(self):
        """User and system time so far, of all its threads."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND

    def memory_mb(self, field):
        """VmRSS now, VmHWM the highest so far."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith(field + ":")).split()[1]) * 1024 / 1e6

    def highest_memory_mb(self):
        """RSS, over its restarts."""
        return max(self.highest_mb, self.memory_mb("VmHWM"))

    def settle(self):
        """Waits until it writes nothing more behind: what a run leaves to do belongs to its CPU time, and must not disturb the next."""
        deadline = time.monotonic() + SETTLE_SECONDS_MAX
        quiet = 0
        last = self.cpu_seconds()
        while quiet < 3 and time.monotonic() < deadline:
            time.sleep(0.2)
            now = self.cpu_seconds()
            quiet = quiet + 1 if now - last < 0.02 else 0
            last = now


class Serving:
    """Runs the benches by name, each on a broker of its own. gb scales what is moved, seconds what runs at a rate."""

    def __init__(self, binaries, parent, gb, seconds, json_dir):
        self.binaries = pathlib.Path(binaries).resolve()
        self.parent = parent
        self.gb = gb
        self.seconds = seconds
        self.json_dir = pathlib.Path(json_dir)
        self.json_dir.mkdir(parents=True, exist_ok=True)

    def run(self, name, bench, settings=()):
        """bench: a method and its arguments; settings: key=value, of its broker."""
        self.raw = []
        method, *arguments = bench
        broker = Broker(self.binaries, self.parent, settings)
        all_before, stolen_before = cpu_ticks()
        try:
            figures = method(self, broker, *arguments)
            figures["rss_mb"] = broker.highest_memory_mb()
        finally:
            broker.remove()
        all_after, stolen_after = cpu_ticks()
        figures["stolen_percent"] = 100 * (stolen_after - stolen_before) / max(all_after - all_before, 1)
        (self.json_dir / f"{name}.json").write_text(json.dumps({"bench": name, "figures": figures, "runs": self.raw}) + "\n")
        return {**figures, "bench": name}

    # --- the programs

    def program(self, program, *arguments):
        done = subprocess.run([self.binaries / program, *map(str, arguments)], stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{program} {' '.join(map(str, arguments))} ended with {done.returncode}")
        return done.stdout

    def json_of(self, program, *arguments):
        report = json.loads(self.program(program, *arguments))
        self.raw.append(report)
        return report

    def bench_arguments(self, broker, command, topic, *arguments):
        return ["bench", command, topic, *map(str, arguments), "-b", broker.address, "-o", "json"]

    def bench(self, broker, command, topic, *arguments):
        return self.json_of("cord", *self.bench_arguments(broker, command, topic, *arguments))

    @contextlib.contextmanager
    def consumers(self, broker, topic, count, records):
        """Consumers that wait at the end of the topic when the block begins; their reports are in the list when it ends."""
        arguments = self.bench_arguments(broker, "consume", topic, "--records", records, "--from", "end")
        processes = [subprocess.Popen([self.binaries / "cord", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(count)]
        reports = []
        try:
            for process in processes:
                line = process.stderr.readline()
                if not line.startswith("at the end of"):
                    raise RuntimeError(f"a consumer did not begin: {line}{process.stderr.read()}")
            yield reports
            for process in processes:
                out, errors = process.communicate(timeout=600)
                if process.returncode != 0:
                    raise RuntimeError(f"a consumer ended with {process.returncode}: {errors}")
                reports.append(json.loads(out))
            self.raw.extend(reports)
        finally:
            for process in processes:
                if process.poll() is None:
                    process.kill()
                    process.wait()

    def topic(self, broker, name, partitions, durability):
        self.program("cord", "topic", "create", name, "-p", partitions, "-c", f"durability={durability}", "-q", "-b", broker.address)
        return name

    def batches(self, broker, topic, record_bytes, per_batch, megabytes):
        return self.json_of("serving_bench", "batches", broker.address, topic, record_bytes, per_batch, megabytes)

    def limit(self, broker, durability, megabytes):
        return self.json_of("limit", "copy", broker.directory, megabytes, RECORD, BATCH_BYTES, durability)

    def megabytes(self, share):
        return max(int(self.gb * share * 1000), 10)

    def records_at(self, per_second):
        return max(int(per_second * self.seconds), 3)

    # --- the benches

    def produce(self, broker, durability, share):
        megabytes = self.megabytes(share)
        records = megabytes * 1_000_000 // RECORD
        topic = self.topic(broker, "t", 16, durability)
        limit = self.limit(broker, durability, megabytes)
        self.bench(broker, "produce", topic, "--records", max(records // 10, 1), "--size", RECORD)  # not counted
        broker.settle()
        before = broker.cpu_seconds()
        report = self.bench(broker, "produce", topic, "--records", records, "--size", RECORD)
        broker.settle()
        gigabytes = report["bytes"] / 1e9
        mb_per_s = report["bytes_per_s"] / 1e6
        figures = {
            "mb_per_s": mb_per_s,
            "cpu_s_per_gb": (broker.cpu_seconds() - before) / gigabytes,
            "client_cpu_s_per_gb": report["cpu_seconds"] / gigabytes,
            "fair_ratio": mb_per_s / limit["fair_mb_per_s"],
            "bare_ratio": mb_per_s / limit["bare_mb_per_s"],
            "fair_mb_per_s": limit["fair_mb_per_s"],
        }
        if durability == "fsync" and 0.45 * limit["fair_mb_per_s"] < 220:
            figures["verdicts"] = {"mb_per_s": "the disk is slower"}
        return figures

    def prebuilt(self, broker):
        megabytes = self.megabytes(0.2)
        topic = self.topic(broker, "t", 16, "os")
        limit = self.limit(broker, "os", megabytes)
        before = broker.cpu_seconds()
        report = self.batches(broker, topic, RECORD, BATCH_BYTES // (RECORD + 10), megabytes)
        broker.settle()
        # The twentieth that comes first and is not measured is in the broker's CPU time.
        return {
            "mb_per_s": report["bytes_per_s"] / 1e6,
            "cpu_s_per_gb": (broker.cpu_seconds() - before) / (report["bytes"] * 1.05 / 1e9),
            "bare_ratio": report["bytes_per_s"] / 1e6 / limit["bare_mb_per_s"],
        }

    def small(self, broker):
        megabytes = self.megabytes(0.1)
        records = megabytes * 1_000_000 // 100
        topic = self.topic(broker, "t", 1, "os")
        report = self.bench(broker, "produce", topic, "--records", records, "--size", 100, "--warm-up", records // 10)
        broker.settle()
        prebuilt = self.batches(broker, self.topic(broker, "prebuilt", 1, "os"), 100, BATCH_BYTES // 110, megabytes)
        return {"records_per_s": report["records_per_s"], "prebuilt_records_per_s": prebuilt["records_per_s"]}

    def single(self, broker):
        megabytes = self.megabytes(0.05)
        prebuilt = self.batches(broker, self.topic(broker, "prebuilt", 1000, "os"), RECORD, 1, megabytes)
        broker.settle()
        records = megabytes * 1_000_000 // RECORD
        report = self.bench(broker, "produce", self.topic(broker, "t", 1000, "os"), "--records", records, "--size", RECORD, "--batch-size", 1, "--linger", "0ms",
                            "-p", "all", "--warm-up", records // 10)
        return {"prebuilt_batches_per_s": prebuilt["batches_per_s"], "batches_per_s": report["records_per_s"]}

    def fill(self, broker, topic, megabytes):
        records = megabytes * 1_000_000 // RECORD
        self.bench(broker, "produce", topic, "--records", records, "--size", RECORD)
        broker.settle()
        return records

    def measured_consume(self, broker, topic, records):
        before = broker.cpu_seconds()
        report = self.bench(broker, "consume", topic, "--records", records)
        return report["bytes_per_s"] / 1e6, (broker.cpu_seconds() - before) / (report["bytes"] / 1e9)

    def catchup(self, broker):
        topic = self.topic(broker, "t", 16, "os")
        records = self.fill(broker, topic, self.megabytes(0.2))
        self.measured_consume(broker, topic, records)  # not counted
        warm, warm_cpu = self.measured_consume(broker, topic, records)
        broker.stop()
        plain = self.json_of("limit", "read", broker.directory / "data")["mb_per_s"]
        self.program("limit", "drop", broker.directory / "data")
        broker.start()
        cold, cold_cpu = self.measured_consume(broker, topic, records)
        return {"warm_mb_per_s": warm, "warm_cpu_s_per_gb": warm_cpu, "cold_mb_per_s": cold, "cold_cpu_s_per_gb": cold_cpu, "plain_mb_per_s": plain,
                "cold_ratio": cold / plain}

    def tail(self, broker):
        rate = 150_000_000 // RECORD
        records = self.records_at(rate)
        topic = self.topic(broker, "t", 16, "os")
        before = broker.cpu_seconds()
        with self.consumers(broker, topic, 4, records) as consumers:
            producer = self.bench(broker, "produce", topic, "--records", records, "--size", RECORD, "--rate", f"{rate}/s")
        broker.settle()
        return {
            "mb_per_s": producer["bytes_per_s"] / 1e6,
            "slowest_share": min(report["bytes_per_s"] for report in consumers) / producer["bytes_per_s"],
            "lag_p99_ms": max(report["lag_us"]["p99"] for report in consumers) / 1000,
            "cpu_s_per_gb": (broker.cpu_seconds() - before) / (producer["bytes"] / 1e9),
        }

    def latency_figures(self, latency):
        return {f"{name}_ms": latency[name] / 1000 for name in ("p50", "p99", "p99_9", "max")}

    def rate_arguments(self, broker, topic, per_second):
        warm_up = f"{max(int(self.seconds * 100), 100)}ms"
        return self.bench_arguments(broker, "produce", topic, "--records", self.records_at(per_second), "--size", RECORD, "--rate", f"{per_second}/s", "--linger", "0ms",
                                    "--warm-up", warm_up)

    def rate(self, broker, durability, per_second):
        floor = self.json_of("limit", "exchange", broker.directory, self.seconds / 3, per_second, durability)
        report = self.json_of("cord", *self.rate_arguments(broker, self.topic(broker, "t", 16, durability), per_second))
        figures = self.latency_figures(report["latency_us"])
        figures |= {f"floor_{name}": floor[name] for name in ("p50_ms", "p99_ms", "p99_9_ms")}
        targets = {key: target for bench, _, key, _, target in FIGURES if bench == f"rate_{per_second // 1000}k_{durability}" and target}
        figures["verdicts"] = {key: "the machine is slower" for key, target in targets.items() if figures[f"floor_{key}"] > target}
        return figures

    def e2e(self, broker, durability):
        topic = self.topic(broker, "t", 1, durability)
        self.bench(broker, "e2e", topic, "--records", 100, "--size", 100)  # not counted
        return self.latency_figures(self.bench(broker, "e2e", topic, "--records", self.records_at(500), "--size", 100)["latency_us"])

    def e2e_idle(self, broker):
        topic = self.topic(broker, "t", 1, "os")
        # A round a second: below a hundred of them the p99 is the slowest.
        return self.latency_figures(self.bench(broker, "e2e", topic, "--records", self.records_at(1), "--size", 100, "--idle", "1s")["latency_us"])

    def replay(self, broker):
        megabytes = self.megabytes(1.0)
        old = self.topic(broker, "old", 16, "os")
        records = self.fill(broker, old, megabytes)
        broker.stop()
        self.program("limit", "drop", broker.directory / "data")
        broker.start()
        topic = self.topic(broker, "t", 16, "os")
        with open(broker.directory / "report", "w+b") as report, subprocess.Popen([self.binaries / "cord", *self.rate_arguments(broker, topic, 10_000)], stdout=report) as producer:
            replayed = self.replay_beside(producer, broker, old, records)
            report.seek(0)
            if producer.returncode != 0:
                raise RuntimeError(f"the producer ended with {producer.returncode}")
            self.raw.append(json.loads(report.read()))
        return {**self.latency_figures(self.raw[-1]["latency_us"]), "replayed_gb": replayed / 1e9, "topic_gb": megabytes / 1000}

    def replay_beside(self, producer, broker, topic, records):
        """Reads the topic over and over until the producer ends; the bytes that were read."""
        replayed = 0
        while producer.poll() is None:
            with subprocess.Popen([self.binaries / "cord", *self.bench_arguments(broker, "consume", topic, "--records", records)], stdout=subprocess.PIPE, text=True) as consumer:
                while consumer.poll() is None and producer.poll() is None:
                    time.sleep(0.01)
                if consumer.poll() is None:
                    consumer.send_signal(signal.SIGINT)
                out = consumer.communicate()[0]
            if consumer.returncode not in (0, 130, -signal.SIGINT):
                producer.kill()
                raise RuntimeError(f"the replay ended with {consumer.returncode}")
            if out:
                self.raw.append(json.loads(out))
                replayed += self.raw[-1]["bytes"]
        return replayed

    def rss(self, broker):
        records = self.megabytes(0.2) * 1_000_000 // RECORD
        topic = self.topic(broker, "t", 16, "os")
        with self.consumers(broker, topic, 2, records):
            self.bench(broker, "produce", topic, "--records", records, "--size", RECORD, "--producers", 4)
        return {}

    def waits(self, broker):
        topic = self.topic(broker, "t", 1, "os")
        before = broker.memory_mb("VmRSS")
        with subprocess.Popen([self.binaries / "serving_bench", "waits", broker.address, topic, "100", "10000"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as waiting:
            line = waiting.stdout.readline()
            broker.settle()
            after = broker.memory_mb("VmHWM")
            waiting.stdin.close()
            ended = json.loads(waiting.stdout.readline() or '{"ended":-1}')["ended"]
        if waiting.returncode != 0 or ended != 0:
            raise RuntimeError(f"the fetches did not wait: {line}, {ended} ended")
        return {"more_mb": after - before, "before_mb": before}


# name: method and its arguments
BENCHES = {
    "produce_os": (Serving.produce, "os", 0.2),
    "batches_os": (Serving.prebuilt,),
    "produce_fsync": (Serving.produce, "fsync", 0.1),
    "small": (Serving.small,),
    "single": (Serving.single,),
    "catchup": (Serving.catchup,),
    "tail": (Serving.tail,),
    "rate_10k_os": (Serving.rate, "os", 10_000),
    "rate_10k_fsync": (Serving.rate, "fsync", 10_000),
    "rate_50k_os": (Serving.rate, "os", 50_000),
    "e2e_os": (Serving.e2e, "os"),
    "e2e_fsync": (Serving.e2e, "fsync"),
    "e2e_idle": (Serving.e2e_idle,),
    "replay": (Serving.replay,),
    "rss": (Serving.rss,),
    "waits": (Serving.waits,),
}
