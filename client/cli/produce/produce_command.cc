// SPDX-License-Identifier: Apache-2.0
// cord produce: one record a line, from a file or standard input.
#include <poll.h>
#include <re2/re2.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/cli/commands.h"
#include "client/cli/interrupt.h"
#include "client/cli/line_reader.h"
#include "client/cli/position.h"
#include "client/cli/produce/produce_outcome.h"
#include "client/cli/record_format.h"
#include "client/cli/record_json.h"
#include "client/cli/session.h"
#include "client/cli/table.h"
#include "client/failure.h"
#include "client/internal/rpc_error.h"
#include "cordwood/client.h"
#include "storage/base/clock.h"
#include "storage/base/names.h"

namespace cordwood::client {
namespace {

constexpr std::int64_t kBatchBytesMax = 8 * 1024 * 1024;
constexpr std::int64_t kLingerMsMax = 3'600'000;
constexpr absl::Duration kProgressEvery = absl::Milliseconds(250);

absl::Duration Now() { return Clock::System().Monotonic(); }

// Where in a line the key is. The value is the whole line, or with a delimiter what follows it.
class KeyRule {
 public:
  static StatusOr<KeyRule> Make(const ProduceCommandOptions& options) {
    KeyRule rule;
    rule.delimiter_ = options.key_delim;
    if (options.key_regex.empty()) return rule;
    if (!options.key_delim.empty()) return Error(Reason::kInvalidRequest, "--key-delim and --key-regex exclude each other");
    RE2::Options bytes(RE2::Quiet);
    bytes.set_encoding(RE2::Options::EncodingLatin1);  // for lines that are not UTF-8
    rule.utf8_ = std::make_unique<RE2>(options.key_regex, RE2::Quiet);
    rule.bytes_ = std::make_unique<RE2>(options.key_regex, bytes);
    if (!rule.utf8_->ok()) return Error(Reason::kInvalidRequest, "--key-regex: " + rule.utf8_->error());
    return rule;
  }

  // The first group of the first match, or the whole match without groups; no key where nothing matches.
  void Cut(std::string_view line, ProducerRecord* record) const {
    record->value = line;
    record->key.reset();
    if (utf8_ != nullptr) {
      const RE2& regex = IsUtf8(line) ? *utf8_ : *bytes_;
      re2::StringPiece groups[2];
      const re2::StringPiece text(line.data(), line.size());
      const int count = regex.NumberOfCapturingGroups() > 0 ? 2 : 1;
      if (!regex.Match(text, 0, text.size(), RE2::UNANCHORED, groups, count)) return;
      const re2::StringPiece& key = groups[count - 1];
      if (key.data() != nullptr) record->key = std::string_view(key.data(), key.size());
    } else if (!delimiter_.empty()) {
      const std::size_t at = line.find(delimiter_);
      if (at == std::string_view::npos) return;
      record->key = line.substr(0, at);
      record->value = line.substr(at + delimiter_.size());
    }
  }

 private:
  std::string delimiter_;
  std::unique_ptr<RE2> utf8_;
  std::unique_ptr<RE2> bytes_;
};

// Holds the n-th record back until n/rate seconds after the first.
class Pace {
 public:
  explicit Pace(double per_second) : per_second_(per_second), start_(Now()) {}
  void Wait(std::uint64_t sent) const {
    if (per_second_ <= 0) return;
    const absl::Duration due = start_ + absl::Seconds(static_cast<double>(sent) / per_second_);
    for (absl::Duration left = due - Now(); left > absl::ZeroDuration() && !Interrupted(); left = due - Now()) {
      poll(nullptr, 0, static_cast<int>(std::clamp<std::int64_t>(absl::ToInt64Milliseconds(left), 1, 100)));
    }
  }

 private:
  const double per_second_;
  const absl::Duration start_;
};

void TellConnection(const Result<void>& connection) {
  const std::string why = connection ? "" : InShort(ToStatus(connection.error().code(), connection.error().message()));
  std::fprintf(stderr, connection ? "connected again%s\n" : "connection lost (%s); trying again\n", why.c_str());
}

StatusOr<Compression> ParseCompression(const std::string& name) {
  if (name == "none") return Compression::kNone;
  if (name == "gzip") return Compression::kGzip;
  if (name == "snappy") return Compression::kSnappy;
  if (name == "lz4") return Compression::kLz4;
  if (name == "zstd") return Compression::kZstd;
  return Error(Reason::kInvalidRequest, "--compression \"" + name + "\": none, gzip, snappy, lz4 or zstd");
}

StatusOr<Acks> ParseAcks(const std::string& name) {
  if (name == "none" || name == "0") return Acks::kNone;
  if (name == "leader" || name == "1") return Acks::kLeader;
  if (name == "all" || name == "-1") return Acks::kAll;
  return Error(Reason::kInvalidRequest, "--acks \"" + name + "\": all, leader or none");
}

StatusOr<std::int64_t> Named(const char* option, StatusOr<std::int64_t> value) {
  if (!value.ok()) return Annotate(value.status(), option);
  return value;
}

StatusOr<ProducerOptions> MakeOptions(const GlobalOptions& global, const ProduceCommandOptions& command) {
  ProducerOptions options;
  CORDWOOD_ASSIGN_OR_RETURN(options.compression, ParseCompression(command.compression));
  CORDWOOD_ASSIGN_OR_RETURN(options.acks, ParseAcks(command.acks));
  options.idempotence = options.acks != Acks::kNone;
  CORDWOOD_ASSIGN_OR_RETURN(const std::int64_t batch, Named("--batch-size", ParseBytes(command.batch_bytes)));
  CORDWOOD_ASSIGN_OR_RETURN(const std::int64_t linger, Named("--linger", ParseDurationMs(command.linger)));
  if (batch < 1 || batch > kBatchBytesMax) return Error(Reason::kInvalidRequest, "--batch-size \"" + command.batch_bytes + "\": write a size from 1 to 8MiB");
  if (linger > kLingerMsMax) return Error(Reason::kInvalidRequest, "--linger \"" + command.linger + "\": write a time of at most 1h");
  options.batch_bytes = static_cast<std::size_t>(batch);
  options.linger = std::chrono::milliseconds(linger);
  options.max_block = options.delivery_timeout = LibraryTimeout(global);
  if (options.linger >= options.delivery_timeout) return Error(Reason::kInvalidRequest, "--linger \"" + command.linger + "\": write a time shorter than --timeout");
  if (!global.quiet) options.on_connection = TellConnection;
  return options;
}

// The loop over the lines. OK, or why it had to stop before the end of the input.
class Feeder {
 public:
  Feeder(const GlobalOptions& global, const ProduceCommandOptions& options, const KeyRule& keys, double rate, std::vector<std::string> headers)
      : options_(options), keys_(keys), pace_(rate), headers_(std::move(headers)) {
    for (const std::string& header : headers_) {
      const std::size_t equals = header.find('=');
      const std::string_view text = header;
      record_.headers.push_back({text.substr(0, equals), equals == std::string::npos ? std::optional<std::string_view>() : text.substr(equals + 1)});
    }
    if (options.partition >= 0) record_.partition = options.partition;
    progress_ = !global.quiet && isatty(STDERR_FILENO) != 0 && global.output == OutputForm::kText;
  }

  Status Run(const LineInput& input, LineReader& lines, Producer& producer, ProduceOutcome& outcome) {
    while (true) {
      const auto next = lines.Next();
      if (!next.ok()) return Annotate(next.status(), "cannot read " + input.name());
      const std::optional<LineReader::Line>& line = *next;
      if (!line.has_value()) return absl::OkStatus();
      pace_.Wait(sent_);
      if (Interrupted()) return absl::OkStatus();
      keys_.Cut(line->text, &record_);
      const Status status = Send(*line, producer, outcome);
      if (status.ok()) {
        ++sent_;
        bytes_ += line->text.size();
      } else if (ReasonOf(status) == Reason::kMessageTooLarge) {
        outcome.Failed(line->number, status);
      } else {
        return Annotate(status, "line " + std::to_string(line->number));
      }
      if ((sent_ & 255) != 0) continue;
      const ProduceOutcome::Counts counts = outcome.counts();
      if (counts.stdout_gone || !counts.stdout_status.ok() || counts.hopeless) return absl::OkStatus();
      ShowProgress(lines.bytes_read(), input.bytes());
    }
  }

  void ClearProgress() {
    if (std::exchange(shown_, false)) std::fprintf(stderr, "\r\033[K");
  }

 private:
  // Why the record was not even taken.
  Status Send(const LineReader::Line& line, Producer& producer, ProduceOutcome& outcome) {
    if (line.cut()) {
      return Error(Reason::kMessageTooLarge, "a line of " + std::to_string(line.bytes) + " bytes; no broker takes more than " +
                                                 std::to_string(line.text.size()) + " at once");
    }
    if (options_.has_format) record_.timestamp = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    producer.Send(options_.topic, record_, outcome.ForLine(line.number, record_));
    const std::optional<Failure> refusal = outcome.TakeRefusal();
    return refusal.has_value() ? ToStatus(refusal->code(), refusal->message()) : absl::OkStatus();
  }

  void ShowProgress(std::uint64_t read, std::uint64_t total) {
    if (!progress_ || Now() - last_progress_ < kProgressEvery) return;
    last_progress_ = Now();
    shown_ = true;
    std::string percent;
    if (total > 0) percent = "  " + std::to_string(read * 100 / total) + "%";
    std::fprintf(stderr, "\r\033[Ksent %s records, %s%s", WithCommas(sent_).c_str(), HumanBytes(bytes_).c_str(), percent.c_str());
  }

  const ProduceCommandOptions& options_;
  const KeyRule& keys_;
  const Pace pace_;
  const std::vector<std::string> headers_;
  ProducerRecord record_;
  std::uint64_t sent_ = 0;
  std::uint64_t bytes_ = 0;
  bool progress_ = false;
  bool shown_ = false;
  absl::Duration last_progress_ = Now();
};

void Summarise(const GlobalOptions& global, const ProduceOutcome::Counts& counts, absl::Duration took) {
  if (global.quiet) return;
  const double seconds = std::max(absl::ToDoubleSeconds(took), 1e-6);
  if (global.output == OutputForm::kJson) {
    std::fprintf(stderr, "{\"records\":\"%llu\",\"failed\":\"%llu\",\"bytes\":\"%llu\",\"seconds\":%.3f}\n",
                 static_cast<unsigned long long>(counts.acknowledged), static_cast<unsigned long long>(counts.failed),
                 static_cast<unsigned long long>(counts.bytes), seconds);
    return;
  }
  std::fprintf(stderr, "done: %s records, %s in %.1f s (%s records/s, %s/s); %s failed\n", WithCommas(counts.acknowledged).c_str(), HumanBytes(counts.bytes).c_str(),
               seconds, WithCommas(static_cast<std::uint64_t>(static_cast<double>(counts.acknowledged) / seconds)).c_str(),
               HumanBytes(static_cast<std::uint64_t>(static_cast<double>(counts.bytes) / seconds)).c_str(), WithCommas(counts.failed).c_str());
}

ExitCode Verdict(const ProduceOutcome::Counts& counts, const Status& stopped, const GlobalOptions& global) {
  if (!stopped.ok()) {
    const ExitCode code = Report(global, stopped);
    return counts.acknowledged > 0 && code == kExitUnavailable ? kExitPartial : code;
  }
  if (!counts.stdout_status.ok()) return Report(global, counts.stdout_status);
  if (counts.failed > 0) return counts.acknowledged == 0 && counts.hopeless ? ExitCodeOf(counts.first_failure) : kExitPartial;
  if (counts.stdout_gone) return kExitOk;
  return Interrupted() ? kExitInterrupted : kExitOk;
}

}  // namespace

ExitCode Produce(const GlobalOptions& global, const ProduceCommandOptions& options) {
  const auto produce_options = MakeOptions(global, options);
  if (!produce_options.ok()) return ReportUsage(global, MessageOf(produce_options.status()));
  const auto keys = KeyRule::Make(options);
  if (!keys.ok()) return ReportUsage(global, MessageOf(keys.status()));
  const auto rate = options.rate.empty() ? StatusOr<double>(0.0) : ParseRate(options.rate);
  if (!rate.ok()) return ReportUsage(global, "--rate: " + MessageOf(rate.status()));
  std::optional<RecordFormat> format;
  if (options.has_format) {
    auto parsed = RecordFormat::Parse(options.format);
    if (!parsed.ok()) return ReportUsage(global, "--format: " + MessageOf(parsed.status()), std::string(kFormatEscapes));
    format = *std::move(parsed);
  }
  const auto input = LineInput::Open(options.file);
  if (!input.ok()) return ReportUsage(global, MessageOf(input.status()));
  CatchInterrupts();

  const auto fail = [&](const Failure& failure) { return Report(global, ToStatus(failure.code(), failure.message())); };
  auto client = ConnectClient(global);
  if (!client.ok()) return Report(global, client.status());
  const auto topic = client->admin().DescribeTopic(options.topic);
  if (!topic) return fail(topic.error());
  const auto partitions = static_cast<std::int32_t>(topic->leaders.size());
  if (options.partition >= partitions) return Report(global, NoSuchPartition(options.topic, options.partition, partitions));
  ProduceOutcome outcome(global, options.topic, std::move(format));
  auto producer = client->NewProducer(*produce_options);
  if (!producer) return fail(producer.error());
  const absl::Duration start = Now();
  Feeder feeder(global, options, *keys, *rate, options.headers);
  LineReader lines(input->fd(), kRecordBytesMax, &Interrupted);
  const Status stopped = feeder.Run(*input, lines, *producer, outcome);
  (void)producer->Close(outcome.counts().hopeless ? std::chrono::milliseconds(0) : LibraryTimeout(global) + std::chrono::seconds(1));
  feeder.ClearProgress();
  outcome.Finish();
  const ProduceOutcome::Counts counts = outcome.counts();
  if (!counts.stdout_gone) Summarise(global, counts, Now() - start);
  return Verdict(counts, stopped, global);
}

}  // namespace cordwood::client
