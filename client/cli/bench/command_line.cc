// SPDX-License-Identifier: Apache-2.0
// The flags of cord bench.
#include <CLI/CLI.hpp>

#include "client/cli/bench/bench_commands.h"
#include "client/cli/whole_number.h"

namespace cordwood::client {
namespace {

CLI::App* BenchCommand(CLI::App& bench, const std::string& name, const std::string& what, const std::string& examples, BenchOptions& options,
                       std::function<ExitCode()> start, std::function<ExitCode()>& run) {
  CLI::App* command = bench.add_subcommand(name, what);
  command->footer("Examples:\n" + examples);
  command->callback([start = std::move(start), &run] { run = start; });
  command->add_option("topic", options.topic, "which must exist")->required()->type_name("TOPIC");
  command->add_option("--records", options.records, "how many to measure")->check(Whole(1, kRecordsMax))->type_name("N")->capture_default_str();
  command->add_option("-p,--partitions", options.partitions, options.kind == BenchKind::kProduce ? "a list, or all in turn; as the library chooses unless said" : "a list, or all")
      ->type_name("LIST");
  return command;
}

void AddRecordFlags(CLI::App* command, BenchOptions& o) {
  command->add_option("--size", o.size, "of a record's value")->type_name("SIZE")->capture_default_str();
  command->add_option("--payload", o.payload, "random or compressible")->type_name("KIND")->capture_default_str();
  command->add_option("--acks", o.acks, "all, leader or none")->type_name("ACKS")->capture_default_str();
  command->add_option("-z,--compression", o.compression, "none, gzip, snappy, lz4 or zstd")->type_name("CODEC")->capture_default_str();
}

void AddWarmUp(CLI::App* command, BenchOptions& o) {
  command->add_option("--warm-up", o.warm_up, "so many records, or a time, before the ones that count")->type_name("N|TIME")->capture_default_str();
}

}  // namespace

void AddBenchCommands(CLI::App& app, const GlobalOptions& global, BenchCommandLine& line, std::function<ExitCode()>& run) {
  CLI::App* bench = app.add_subcommand("bench", "measure a broker: throughput, latency, CPU");
  bench->require_subcommand(1);
  bench->footer("Examples:\n  cord bench produce T --rate 10000/s --records 300000\n  cord bench consume T\n  cord bench e2e T --records 5000 --size 100");

  BenchOptions& p = line.produce;
  CLI::App* produce = BenchCommand(*bench, "produce", "send records, at a fixed rate or as fast as it goes; latency counts from when a record was due",
                                   "  cord bench produce T --records 1000000 --size 1024\n"
                                   "  cord bench produce T --rate 10000/s --linger 0ms --warm-up 5s -o json",
                                   p, [&global, &p] { return BenchProduce(global, p); }, run);
  AddRecordFlags(produce, p);
  AddWarmUp(produce, p);
  produce->add_option("--rate", p.rate, "exactly so many, as 10000/s, whatever becomes of them")->type_name("N/s");
  produce->add_option("--keys", p.keys, "how many different; none unless said")->check(Whole(0, kKeysMax))->type_name("N");
  produce->add_option("--producers", p.producers, "each with a thread and a stream of its own")->check(Whole(1, kProducersMax))->type_name("N")->capture_default_str();
  produce->add_option("--batch-size", p.batch_bytes, "a batch is closed at this size")->type_name("SIZE")->capture_default_str();
  produce->add_option("--linger", p.linger, "or at this age")->type_name("TIME")->capture_default_str();

  BenchOptions& c = line.consume;
  c.kind = BenchKind::kConsume;
  CLI::App* consume = BenchCommand(*bench, "consume", "read records", "  cord bench consume T --records 1000000\n  cord bench consume T --from end -o json", c,
                                   [&global, &c] { return BenchConsume(global, c); }, run);
  AddWarmUp(consume, c);
  consume->add_option("--from", c.from, "start, or end: wait for what comes")->type_name("POSITION")->capture_default_str();

  BenchOptions& e = line.e2e;
  e.kind = BenchKind::kE2e;
  e.records = 10'000;
  CLI::App* e2e = BenchCommand(*bench, "e2e", "send one record, wait until it comes back, send the next",
                               "  cord bench e2e T --records 5000 --size 100\n  cord bench e2e T --records 60 --idle 1s", e,
                               [&global, &e] { return BenchE2e(global, e); }, run);
  AddRecordFlags(e2e, e);
  e2e->add_option("--idle", e.idle, "rest between one record and the next")->type_name("TIME")->capture_default_str();
}

}  // namespace cordwood::client
