// SPDX-License-Identifier: Apache-2.0
// cord produce: one record a line, from a file or standard input.
#include <poll.h>
#include <re2/re2.h>
#include <unistd.h>

#include <algorithm>
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
#include "client/cli/record_format.h"
#include "client/cli/record_json.h"
#include "client/cli/session.h"
#include "client/cli/stdout_writer.h"
#include "client/cli/table.h"
#include "client/internal/produce_client.h"
#include "storage/base/clock.h"

namespace cordwood::client {
namespace {

constexpr std::uint64_t kFailuresNamedMax = 20;
constexpr std::uint64_t kOutagesNamedMax = 3;  // failures that are about the broker are all alike
constexpr std::int64_t kBatchBytesMax = 8 * 1024 * 1024;
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
  void Cut(std::string_view line, ProduceRecord* record) const {
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

// What became of the records. Callbacks come on the client's loop.
class Outcome {
 public:
  Outcome(const GlobalOptions& global, const std::string& topic, std::optional<RecordFormat> format, ClientLoop& loop)
      : global_(global), topic_(topic), format_(std::move(format)), loop_(loop) {}

  AckCallback ForLine(std::uint64_t line, const ProduceRecord& record) {
    // One word, so that the callback needs no memory of its own: lines below 2^40, records below 2^24 bytes.
    const std::uint64_t place = line << 24 | std::min<std::uint64_t>(record.value->size(), (1 << 24) - 1);
    if (!format_.has_value()) return [this, place](const StatusOr<RecordAck>& ack) { Count(place, ack); };
    auto kept = std::make_shared<std::pair<std::optional<std::string>, std::string>>();
    if (record.key.has_value()) kept->first = std::string(*record.key);
    kept->second = std::string(*record.value);
    return [this, place, kept, timestamp_ms = record.timestamp_ms, headers = record.headers](const StatusOr<RecordAck>& ack) {
      Count(place, ack);
      if (!ack.ok()) return;
      RecordView view{ack->offset, timestamp_ms, std::nullopt, kept->second, headers};
      if (kept->first.has_value()) view.key = *kept->first;
      Print(PlacedRecord{topic_, ack->partition, kNoLeaderEpoch, &view});
    };
  }

  void Refused(std::uint64_t line, const Status& why) {
    MutexLock lock(mu_);
    CountFailure(line, why);
  }

  struct Counts {
    std::uint64_t acknowledged = 0;
    std::uint64_t bytes = 0;      // of acknowledged values
    std::uint64_t failed = 0;
    std::uint64_t named = 0;      // of the failed
    Status first_failure;
    bool hopeless = false;  // the failures are about the broker, not about the records
    bool stdout_gone = false;  // the reader went away
    Status stdout_status;      // why nothing more can be written
  };
  Counts counts() {
    MutexLock lock(mu_);
    return counts_;
  }
  // After the producer is closed.
  void FlushStdout() { loop_.Run([this] { Flush(); }); }
  void NameTheRest() {
    const Counts counts = this->counts();
    if (counts.failed == counts.named) return;
    std::fprintf(stderr, global_.output == OutputForm::kJson ? "{\"error\":{\"more_lines\":\"%s\"}}\n" : "error: … and %s more lines\n",
                 std::to_string(counts.failed - counts.named).c_str());
  }

 private:
  void Count(std::uint64_t place, const StatusOr<RecordAck>& ack) {
    MutexLock lock(mu_);
    if (ack.ok()) {
      ++counts_.acknowledged;
      counts_.bytes += place & ((1 << 24) - 1);
    } else {
      CountFailure(place >> 24, ack.status());
    }
  }

  void CountFailure(std::uint64_t line, const Status& why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (counts_.failed++ == 0) counts_.first_failure = why;
    const ExitCode kind = ExitCodeOf(why);
    if (kind == kExitUnavailable || kind == kExitAuth) counts_.hopeless = true;
    if (counts_.named >= (counts_.hopeless ? kOutagesNamedMax : kFailuresNamedMax)) return;
    ++counts_.named;
    const bool has_reason = ReasonOf(why) != Reason::kUnknownServerError;
    const std::string name = has_reason ? std::string(ReasonName(ReasonOf(why))) : CodeName(why.code());
    if (global_.output == OutputForm::kJson) {
      std::string text = "{\"error\":{\"line\":" + std::to_string(line) + ",\"reason\":\"" + name + "\",\"message\":";
      AppendJsonString(IsUtf8(MessageOf(why)) ? MessageOf(why) : "", &text);
      std::fprintf(stderr, "%s}}\n", text.c_str());
    } else {
      std::fprintf(stderr, "error: line %llu: %s  [%s]\n", static_cast<unsigned long long>(line), MessageOf(why).c_str(), name.c_str());
    }
  }

  void Print(const PlacedRecord& placed) {
    format_->Append(placed, out_.buffer());
    out_.Wrote();
    if (std::exchange(flush_posted_, true)) return;
    loop_.Post([this] {
      flush_posted_ = false;
      Flush();
    });
  }

  void Flush() {
    out_.Flush();
    if (!out_.closed() && out_.error() == 0) return;
    MutexLock lock(mu_);
    counts_.stdout_gone = out_.closed();
    counts_.stdout_status = out_.status();
  }

  const GlobalOptions& global_;
  const std::string topic_;
  const std::optional<RecordFormat> format_;
  ClientLoop& loop_;
  StdoutWriter out_;            // the loop's
  bool flush_posted_ = false;   // the loop's
  Mutex mu_;
  Counts counts_ ABSL_GUARDED_BY(mu_);
};

StatusOr<Codec> ParseCodec(const std::string& name) {
  Codec codec = Codec::kNone;
  if (CodecFromName(name, &codec)) return codec;
  return Error(Reason::kInvalidRequest, "--compression \"" + name + "\": none, gzip, snappy, lz4 or zstd");
}

StatusOr<std::int64_t> Named(const char* option, StatusOr<std::int64_t> value) {
  if (!value.ok()) return Annotate(value.status(), option);
  return value;
}

StatusOr<ProduceOptions> MakeOptions(const GlobalOptions& global, const ProduceCommandOptions& command) {
  ProduceOptions options;
  CORDWOOD_ASSIGN_OR_RETURN(options.codec, ParseCodec(command.compression));
  CORDWOOD_ASSIGN_OR_RETURN(const std::int64_t batch, Named("--batch-size", ParseBytes(command.batch_bytes)));
  CORDWOOD_ASSIGN_OR_RETURN(const std::int64_t linger, Named("--linger", ParseDurationMs(command.linger)));
  if (batch < 1 || batch > kBatchBytesMax) return Error(Reason::kInvalidRequest, "--batch-size \"" + command.batch_bytes + "\": write a size from 1 to 8MiB");
  options.batch_bytes = static_cast<std::size_t>(batch);
  options.linger = absl::Milliseconds(linger);
  options.send_timeout = options.core.delivery_timeout = global.timeout;
  options.core.answer_timeout = std::min(options.core.answer_timeout, global.timeout);
  if (command.acks == "none" || command.acks == "0") {
    options.core.acks = Acks::kNone;
  } else if (command.acks == "leader" || command.acks == "1") {
    options.core.acks = Acks::kLeader;
  } else if (command.acks != "all" && command.acks != "-1") {
    return Error(Reason::kInvalidRequest, "--acks \"" + command.acks + "\": all, leader or none");
  }
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
    if (options.partition >= 0) record_.partition = PartitionIndex(options.partition);
    progress_ = !global.quiet && isatty(STDERR_FILENO) != 0 && global.output == OutputForm::kText;
  }

  Status Run(const LineInput& input, LineReader& lines, ProduceClient& producer, Outcome& outcome) {
    while (true) {
      const auto next = lines.Next();
      if (!next.ok()) return Annotate(next.status(), "cannot read " + input.name());
      const std::optional<LineReader::Line>& line = *next;
      if (!line.has_value()) return absl::OkStatus();
      pace_.Wait(sent_);
      if (Interrupted()) return absl::OkStatus();
      keys_.Cut(line->text, &record_);
      record_.timestamp_ms = Clock::System().WallMs();
      Status status;
      if (line->cut()) {
        status = Error(Reason::kMessageTooLarge, "a line of " + std::to_string(line->bytes) + " bytes; no broker takes more than " +
                                                     std::to_string(line->text.size()) + " at once");
      } else {
        status = producer.Send(options_.topic, record_, outcome.ForLine(line->number, record_));
      }
      if (status.ok()) {
        ++sent_;
        bytes_ += line->text.size();
      } else if (ReasonOf(status) == Reason::kMessageTooLarge) {
        outcome.Refused(line->number, status);
      } else {
        return Annotate(status, "line " + std::to_string(line->number));
      }
      if ((sent_ & 255) != 0) continue;
      const Outcome::Counts counts = outcome.counts();
      if (counts.stdout_gone || !counts.stdout_status.ok() || counts.hopeless) return absl::OkStatus();
      ShowProgress(lines.bytes_read(), input.bytes());
    }
  }

  void ClearProgress() {
    if (std::exchange(shown_, false)) std::fprintf(stderr, "\r\033[K");
  }

 private:
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
  ProduceRecord record_;
  std::uint64_t sent_ = 0;
  std::uint64_t bytes_ = 0;
  bool progress_ = false;
  bool shown_ = false;
  absl::Duration last_progress_ = Now();
};

void Summarise(const GlobalOptions& global, const Outcome::Counts& counts, absl::Duration took) {
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

ExitCode Verdict(const Outcome::Counts& counts, const Status& stopped, const GlobalOptions& global) {
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

  auto connection = ConnectToBroker(global);
  if (!connection.ok()) return Report(global, connection.status());
  MetadataCache metadata(**connection);
  const auto topic = metadata.Get(options.topic);
  if (!topic.ok()) return Report(global, topic.status());
  if (options.partition >= topic->partitions()) return Report(global, NoSuchPartition(options.topic, options.partition, topic->partitions()));
  ClientLoop loop("cord");
  Outcome outcome(global, options.topic, std::move(format), loop);
  const absl::Duration start = Now();
  Status stopped;
  Feeder feeder(global, options, *keys, *rate, options.headers);
  {
    ProduceClient producer(loop, **connection, metadata, *produce_options);
    producer.OnConnectionChange([&global](const Status& status) {
      if (global.quiet) return;
      std::fprintf(stderr, status.ok() ? "connected again%s\n" : "connection lost (%s); trying again\n", status.ok() ? "" : InShort(status).c_str());
    });
    LineReader lines(input->fd(), produce_options->record_bytes_max, &Interrupted);
    stopped = feeder.Run(*input, lines, producer, outcome);
    (void)producer.Close(outcome.counts().hopeless ? absl::ZeroDuration() : global.timeout + absl::Seconds(1));
  }
  outcome.FlushStdout();
  feeder.ClearProgress();
  outcome.NameTheRest();
  const Outcome::Counts counts = outcome.counts();
  if (!counts.stdout_gone) Summarise(global, counts, Now() - start);
  return Verdict(counts, stopped, global);
}

}  // namespace cordwood::client
