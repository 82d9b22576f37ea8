// SPDX-License-Identifier: Apache-2.0
// Lists records; what users read of one.
#include "client/consumer_record.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

namespace cordwood {
namespace client {
namespace {

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
