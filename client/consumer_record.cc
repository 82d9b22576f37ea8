// SPDX-License-Identifier: Apache-2.0
// Lists records; what users read of one.
#include "client/consumer_record.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace cordwood {
namespace client {
namespace {

constexpr std::size_t kOwnBytes = sizeof(ConsumerRecord) + 2 * sizeof(ConsumerRecord::Batch::Entry);  // of a copy; the list of entries grows by doubling

std::int32_t SizeOf(const std::optional<std::string_view>& bytes) { return bytes.has_value() ? static_cast<std::int32_t>(bytes->size()) : -1; }

void AppendEntry(const RecordView& record, ConsumerRecord::Batch* batch) {
  for (const RecordHeader& header : record.headers) batch->headers.push_back({header.key, header.value});
  batch->entries.push_back({record.key.has_value() ? record.key->data() : nullptr, record.value.has_value() ? record.value->data() : nullptr,
                            record.offset.value(), record.timestamp_ms, SizeOf(record.key), SizeOf(record.value),
                            static_cast<std::uint32_t>(batch->headers.size())});
}

}  // namespace

StatusOr<std::shared_ptr<OpenBatch>> OpenBatch::Open(SharedBytes message, const RecordBatchView& batch) {
  auto open = std::make_shared<OpenBatch>(std::move(message), batch);
  CORDWOOD_RETURN_IF_ERROR(open->reader_.Open());
  return open;
}

StatusOr<bool> OpenBatch::Read(const std::shared_ptr<const TopicPartition>& partition, std::size_t max, Offset* next,
                               std::vector<ConsumerRecord>* records) {
  auto listed = std::make_shared<ConsumerRecord::Batch>();
  listed->partition = partition;
  listed->bytes = shared_from_this();
  listed->leader_epoch = batch_.leader_epoch();
  listed->entries.reserve(std::min(max, static_cast<std::size_t>(batch_.record_count())));
  StatusOr<bool> more = true;
  while (listed->entries.size() < max) {
    more = reader_.Next(&record_);
    if (!more.ok() || !*more) break;
    if (record_.offset < *next) continue;
    AppendEntry(record_, listed.get());
    *next = record_.offset + 1;
  }
  const auto count = static_cast<std::uint32_t>(listed->entries.size());
  const std::shared_ptr<const ConsumerRecord::Batch> shared = std::move(listed);
  for (std::uint32_t i = 0; i < count; ++i) records->emplace_back(shared, i);
  return more;
}

std::size_t HeldBytesOf(const ConsumerRecord& record) {
  std::size_t bytes = kOwnBytes + record.key().size() + record.value().size();
  for (const HeaderView& header : record.headers()) bytes += sizeof(HeaderView) + header.key.size() + header.value.value_or("").size();
  return bytes;
}

void CopyInPlace(std::size_t first, std::deque<ConsumerRecord>* records) {
  if (first >= records->size()) return;
  std::size_t bytes = 0;
  for (std::size_t i = first; i < records->size(); ++i) bytes += HeldBytesOf((*records)[i]);
  const auto text = std::make_shared<std::string>();
  text->reserve(bytes);  // so that it stays where it is
  const auto copy = [&](std::string_view from) {
    const std::size_t begin = text->size();
    text->append(from);
    return std::string_view(*text).substr(begin);
  };
  // Others follow in a batch of their own where the leader was another.
  std::shared_ptr<ConsumerRecord::Batch> batch;
  std::vector<ConsumerRecord> copies;
  for (std::size_t i = first; i < records->size(); ++i) {
    const ConsumerRecord& record = (*records)[i];
    if (batch == nullptr || batch->leader_epoch.value() != record.leader_epoch()) {
      batch = std::make_shared<ConsumerRecord::Batch>();
      batch->partition = std::make_shared<const TopicPartition>(record.topic_partition());
      batch->leader_epoch = LeaderEpoch(record.leader_epoch());
      batch->bytes = text;
    }
    RecordView view{Offset(record.offset()), record.timestamp().time_since_epoch().count(), std::nullopt, std::nullopt, {}};
    if (record.has_key()) view.key = copy(record.key());
    if (record.has_value()) view.value = copy(record.value());
    for (const HeaderView& header : record.headers()) {
      const std::string_view key = copy(header.key);
      view.headers.push_back({key, header.value.has_value() ? std::optional(copy(*header.value)) : std::nullopt});
    }
    AppendEntry(view, batch.get());
    copies.emplace_back(batch, static_cast<std::uint32_t>(batch->entries.size() - 1));
  }
  std::move(copies.begin(), copies.end(), records->begin() + static_cast<std::ptrdiff_t>(first));
}

}  // namespace client

namespace {

std::string_view View(const char* bytes, std::int32_t size) { return size <= 0 ? std::string_view() : std::string_view(bytes, static_cast<std::size_t>(size)); }

}  // namespace

const TopicPartition& ConsumerRecord::topic_partition() const { return *batch_->partition; }
std::int64_t ConsumerRecord::offset() const { return batch_->entries[index_].offset; }
Timestamp ConsumerRecord::timestamp() const { return Timestamp(std::chrono::milliseconds(batch_->entries[index_].timestamp_ms)); }
std::int32_t ConsumerRecord::leader_epoch() const { return batch_->leader_epoch.value(); }
bool ConsumerRecord::has_key() const { return batch_->entries[index_].key_bytes >= 0; }
std::string_view ConsumerRecord::key() const { return View(batch_->entries[index_].key, batch_->entries[index_].key_bytes); }
bool ConsumerRecord::has_value() const { return batch_->entries[index_].value_bytes >= 0; }
std::string_view ConsumerRecord::value() const { return View(batch_->entries[index_].value, batch_->entries[index_].value_bytes); }

std::span<const HeaderView> ConsumerRecord::headers() const {
  const std::uint32_t begin = index_ == 0 ? 0 : batch_->entries[index_ - 1].headers_end;
  return std::span(batch_->headers).subspan(begin, batch_->entries[index_].headers_end - begin);
}

std::optional<std::string_view> ConsumerRecord::header(std::string_view key) const {
  const std::span<const HeaderView> all = headers();
  const auto last = std::find_if(all.rbegin(), all.rend(), [&](const HeaderView& header) { return header.key == key; });
  return last == all.rend() ? std::nullopt : last->value;
}

}  // namespace cordwood
