// SPDX-License-Identifier: Apache-2.0
// At most five messages in flight, each with at most one batch to a partition: the broker remembers five.
#include "tests/integration/kill_producer.h"

#include <algorithm>
#include <charconv>

#include "absl/time/clock.h"
#include "storage/record/record_batch_builder.h"

namespace cordwood::testing {

std::string NumberedValue(const std::string& name, std::int64_t counter, std::size_t padding) {
  return name + "/" + std::to_string(counter) + " " + std::string(padding, '.');
}

ValueName ParseValue(std::string_view value) {
  const std::size_t slash = value.find('/'), blank = value.find(' ');
  ValueName parsed;
  if (slash == std::string_view::npos || blank == std::string_view::npos || slash > blank) return parsed;
  const auto [end, error] = std::from_chars(value.data() + slash + 1, value.data() + blank, parsed.counter);
  if (error != std::errc() || end != value.data() + blank) return ValueName();
  parsed.name = value.substr(0, slash);
  return parsed;
}

std::int64_t KillProducer::acknowledged() const {
  std::int64_t sum = 0;
  for (const auto& [target, lane] : lanes_) sum += lane.acknowledged;
  return sum;
}

bool KillProducer::Begin(const LogClient& client) {
  if (producer_id_ >= 0) return true;
  const auto id = client.InitProducer();
  if (id.ok()) producer_id_ = *id;
  return id.ok();
}

KillProducer::Message KillProducer::MakeMessage() {
  Message message;
  message.seq = next_seq_++;
  message.request.set_seq(message.seq);
  for (const Target& target : targets_) {
    if (random_() % 2 == 0 && !(message.parts.empty() && target == targets_.back())) continue;
    Lane& lane = lanes_[target];
    const auto count = static_cast<std::int64_t>(1 + random_() % static_cast<std::uint64_t>(plan_.records_max));
    RecordBatchBuilder builder;
    for (std::int64_t i = 0; i < count; ++i) {
      const std::string value = NumberedValue(name_, lane.made + i, random_() % static_cast<std::uint64_t>(plan_.value_bytes_max));
      builder.Add({Offset(0), absl::ToUnixMillis(absl::Now()), std::nullopt, value, {}});
    }
    const ProducerStamp stamp{ProducerId(producer_id_), ProducerEpoch(0), Sequence(static_cast<std::int32_t>(lane.made))};
    const Codec codec = random_() % 4 == 0 ? Codec::kLz4 : Codec::kNone;
    v1::ProduceEntry& entry = *message.request.add_entries();
    entry.set_topic(target.topic);
    entry.set_partition(target.partition);
    entry.set_batches(std::string(builder.Build(codec, stamp)->view()));
    message.parts.push_back({target, lane.made, count});
    lane.made += count;
  }
  return message;
}

// False: the broker is gone. An answered refusal ends the run, too: it is what the campaign looks for.
bool KillProducer::SendNextUnary(const LogClient& client, bool more) {
  if (pending_.empty() && !more) return true;
  if (pending_.empty()) pending_.push_back(MakeMessage());
  const auto response = client.Call(&v1::Log::Stub::Produce, pending_.front().request);
  if (!response.ok()) return false;
  for (v1::Done done : response->done()) {
    done.set_seq(pending_.front().seq);
    Acknowledge(done);
    break;
  }
  return refusals_.empty();
}

bool KillProducer::ReadAnswers(ProduceStream& stream) {
  v1::ProduceResponse response;
  if (!stream.Read(&response)) return false;
  for (const v1::Done& done : response.done()) Acknowledge(done);
  return refusals_.empty();
}

void KillProducer::Acknowledge(const v1::Done& done) {
  const auto message = std::find_if(pending_.begin(), pending_.end(), [&](const Message& m) { return m.seq == done.seq(); });
  if (message == pending_.end()) {
    refusals_.push_back(Error(Reason::kUnknownServerError, name_ + ": an answer to message " + std::to_string(done.seq()) + ", which is not in flight"));
    return;
  }
  for (const v1::EntryError& error : done.errors()) {
    if (error.reason() == v1::SHUTTING_DOWN) return;  // it stays pending
    refusals_.push_back(Annotate(FromEntryError(error), name_));
  }
  if (!refusals_.empty()) return;
  for (std::size_t i = 0; i < message->parts.size(); ++i) {
    const Message::Part& part = message->parts[i];
    Lane& lane = lanes_[part.target];
    lane.offsets[part.first] = done.base_offset_size() > static_cast<int>(i) ? done.base_offset(static_cast<int>(i)) : -1;
    lane.acknowledged = std::max(lane.acknowledged, part.first + part.count);
  }
  if (message - pending_.begin() < static_cast<std::ptrdiff_t>(unsent_)) --unsent_;
  pending_.erase(message);
}

}  // namespace cordwood::testing
