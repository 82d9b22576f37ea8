// SPDX-License-Identifier: Apache-2.0
// Callbacks into counts and text; a thread that writes the text.
#include "client/cli/produce/produce_outcome.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

#include "client/cli/interrupt.h"
#include "client/cli/record_json.h"
#include "client/failure.h"
#include "storage/base/names.h"
#include "storage/base/thread_name.h"

namespace cordwood::client {
namespace {

constexpr std::uint64_t kFailuresNamedMax = 20;
constexpr std::uint64_t kOutagesNamedMax = 3;  // failures that are about the broker are all alike
constexpr std::size_t kTextBytesMax = 1024 * 1024;
constexpr std::uint64_t kSizeBits = 24;
constexpr std::uint64_t kSizeMax = (std::uint64_t{1} << kSizeBits) - 1;

}  // namespace

struct ProduceOutcome::Kept {
  std::optional<std::string> key;
  std::string value;
  std::vector<RecordHeader> headers;
  std::int64_t timestamp_ms = kNoTimestampMs;
};

ProduceOutcome::ProduceOutcome(const GlobalOptions& global, std::string topic, std::optional<RecordFormat> format)
    : global_(global), topic_(std::move(topic)), format_(std::move(format)) {
  if (format_.has_value()) printer_ = std::thread([this] { PrintLoop(); });
}

ProduceOutcome::~ProduceOutcome() { StopPrinting(); }

DeliveryCallback ProduceOutcome::ForLine(std::uint64_t line, const ProducerRecord& record) {
  // One word, so that the callback needs no memory of its own: lines below 2^40, records below 2^24 bytes.
  const std::uint64_t place = line << kSizeBits | std::min<std::uint64_t>(record.value->size(), kSizeMax);
  if (!format_.has_value()) {
    return [this, place](const Result<RecordMetadata>& sent) {
      if (!sent && std::this_thread::get_id() == sender_) return (void)refusal_.emplace(sent.error());
      MutexLock lock(mu_);
      Count(place, sent);
    };
  }
  WaitForReader();
  auto kept = std::make_shared<Kept>();
  if (record.key.has_value()) kept->key = std::string(*record.key);
  kept->value = std::string(*record.value);
  for (const HeaderView& header : record.headers) kept->headers.push_back({header.key, header.value});
  if (record.timestamp.has_value()) kept->timestamp_ms = record.timestamp->time_since_epoch().count();
  return [this, place, kept](const Result<RecordMetadata>& sent) {
    if (!sent && std::this_thread::get_id() == sender_) return (void)refusal_.emplace(sent.error());
    MutexLock lock(mu_);
    Count(place, sent);
    if (sent) Print(*kept, *sent);
  };
}

void ProduceOutcome::Failed(std::uint64_t line, const Status& why) {
  MutexLock lock(mu_);
  CountFailure(line, why);
}

ProduceOutcome::Counts ProduceOutcome::counts() {
  MutexLock lock(mu_);
  return counts_;
}

void ProduceOutcome::Count(std::uint64_t place, const Result<RecordMetadata>& sent) {
  if (!sent) return CountFailure(place >> kSizeBits, ToStatus(sent.error().code(), sent.error().message()));
  counts_.hopeless = false;  // an outage is over
  ++counts_.acknowledged;
  counts_.bytes += place & kSizeMax;
}

void ProduceOutcome::CountFailure(std::uint64_t line, const Status& why) {
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

void ProduceOutcome::Print(const Kept& kept, const RecordMetadata& sent) {
  RecordView view{Offset(sent.offset), kept.timestamp_ms, std::nullopt, kept.value, kept.headers};
  if (kept.key.has_value()) view.key = *kept.key;
  if (text_.empty()) changed_.SignalAll();
  format_->Append(PlacedRecord{topic_, PartitionIndex(sent.partition), kNoLeaderEpoch, &view}, &text_);
}

// Nobody takes longer notice of a reader that has gone or a disk that is full than until the sender looks at counts().
void ProduceOutcome::WaitForReader() {
  MutexLock lock(mu_);
  while (text_.size() > kTextBytesMax && !Interrupted()) changed_.WaitFor(mu_, std::chrono::milliseconds(100));
}

void ProduceOutcome::PrintLoop() {
  SetThreadName("cw-print");
  StdoutWriter out;
  std::string taken;
  while (true) {
    {
      MutexLock lock(mu_);
      counts_.stdout_gone = out.closed();
      counts_.stdout_status = out.status();
      while (text_.empty() && !finished_) changed_.Wait(mu_);
      if (text_.empty()) return;
      taken.swap(text_);
      changed_.SignalAll();
    }
    out.Write(taken);
    out.Flush();
    taken.clear();
  }
}

void ProduceOutcome::StopPrinting() {
  if (!printer_.joinable()) return;
  {
    MutexLock lock(mu_);
    finished_ = true;
    changed_.SignalAll();
  }
  printer_.join();
}

void ProduceOutcome::Finish() {
  StopPrinting();
  const Counts counts = this->counts();
  if (counts.failed == counts.named) return;
  std::fprintf(stderr, global_.output == OutputForm::kJson ? "{\"error\":{\"more_lines\":\"%s\"}}\n" : "error: … and %s more lines\n",
               std::to_string(counts.failed - counts.named).c_str());
}

}  // namespace cordwood::client
