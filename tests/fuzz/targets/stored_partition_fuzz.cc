// SPDX-License-Identifier: Apache-2.0
// A partition whose stored records say anything: it opens or says why not, and serves what is sound. Then a running one, taken step by step.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "storage/base/check.h"
#include "storage/log/keys.h"
#include "storage/log/side_header.h"
#include "storage/record/record_batch.h"
#include "storage/shard/log_reader.h"
#include "storage/shard/partition_log.h"
#include "storage/shard/shard_store.h"
#include "tests/fuzz/built_batch.h"
#include "tests/support/temp_dir.h"

namespace cordwood::testing {
namespace {

constexpr std::size_t kStepsMax = 24;
constexpr ProducerLimits kLimits{.producers_max = 3, .expiration_ms = 60'000};

bool IsRefusal(const Status& status) {
  switch (ReasonOf(status)) {
    case Reason::kStorageError:
    case Reason::kCorruptMessage:
    case Reason::kOffsetOutOfRange:
    case Reason::kInvalidRecord:
    case Reason::kLimitExceeded:
    case Reason::kUnknownProducerId:
    case Reason::kInvalidProducerEpoch:
    case Reason::kOutOfOrderSequence:
    case Reason::kDuplicateSequence: return true;
    default: return false;
  }
}

// One shard for the process; each input has a partition of its own in it.
class Shard {
 public:
  static Shard& Get() {
    static Shard shard;
    return shard;
  }
  ShardStore& store() { return *store_; }
  // Below all others: what was deleted stays in the memory table for a while, and a search for the last batch walks back over it.
  PartitionId NewPartition() { return PartitionId((std::uint64_t{1} << 40) - ++partitions_); }
  void Commit(WriteGroup& group) {
    while (!group.empty()) {
      const Status committed = store_->Commit(group);
      CORDWOOD_CHECK(committed.ok() || ReasonOf(committed) == Reason::kThrottled);
    }
  }

 private:
  Shard() {
    ShardOptions options;
    options.directory = directory_.Sub("shard-000");
    options.synced_file = directory_.Sub("shard-000.synced");
    options.write_buffer_bytes = 1 << 20;
    auto store = ShardStore::Open(options);
    CORDWOOD_CHECK(store.ok());
    store_ = *std::move(store);
  }

  const TempDir directory_;
  std::unique_ptr<ShardStore> store_;
  std::uint64_t partitions_ = 0;
};

class Partition {
 public:
  explicit Partition(FuzzInput* in) : in_(*in), id_(shard_.NewPartition()) {}
  ~Partition() {
    log_.reset();
    WriteGroup group;
    PartitionLog::StageDelete(group, id_);
    shard_.Commit(group);
  }

  void Run() {
    WriteGroup group;
    PartitionLog::StageCreate(group, id_, PartitionIdentity());
    shard_.Commit(group);
    if (in_.Flag()) Damage();
    auto opened = PartitionLog::Open(shard_.store(), id_, kLimits);
    if (!opened.ok()) {
      CORDWOOD_CHECK(IsRefusal(opened.status()));
      Read(Offset(0), Offset(INT64_MAX));
      return;
    }
    log_ = *std::move(opened);
    for (std::size_t steps = 0; steps < kStepsMax && !in_.done(); ++steps) {
      Step();
      CORDWOOD_CHECK(log_ != nullptr && log_->Invariants().ok());
    }
    Reopen();
  }

 private:
  // Stored values of the input's; most have a right CRC.
  void Damage() {
    damaged_ = true;
    WriteGroup group;
    for (std::size_t left = 1 + in_.Below(6); left > 0; --left) {
      const std::size_t what = in_.Below(8);
      if (what < 4) {
        PutBatch(group);
      } else if (what == 4) {
        const Offset offset(in_.Number() & INT64_MAX);
        group.Put(IndexKey(id_, offset).view(), in_.Text());
      } else {
        constexpr MetadataKind kKinds[] = {MetadataKind::kIdentity, MetadataKind::kCheckpoint, MetadataKind::kEpochs, MetadataKind::kProducers};
        const MetadataKind kind = kKinds[in_.Below(4)];
        group.Put(PartitionKey(kind, id_).view(), in_.Text());
      }
    }
    shard_.Commit(group);
  }
  void PutBatch(WriteGroup& group) {
    RecordTexts texts;
    const std::vector<RecordView> records = TakeRecords(&in_, &texts);
    const Codec codec = TakeCodec(&in_);
    std::string batch = BatchOfRecords(records, codec, TakeProducer(&in_));
    const bool rises = in_.Flag();
    const Offset base = rises ? next_ : Offset(in_.Number());
    StampBatch(batch.data(), base, LeaderEpoch(static_cast<std::int32_t>(in_.Below(3))));
    const std::int32_t delta = RecordBatchView::Parse(batch)->last_offset_delta();
    if (in_.Flag()) Lie(&in_, &batch);
    std::string value = std::string(kSideHeaderBytes, '\0') + batch;
    WriteSideHeader(value.data(), SideHeader{in_.Number()});
    if (in_.Byte() >= 0xF0) value.resize(in_.Below(value.size() + 1));
    const std::int64_t last = base.value() > INT64_MAX - 10 ? INT64_MAX : base.value() + delta;
    group.Put(BatchKey(id_, Offset((in_.Byte() >= 0xF0 ? in_.Number() : last) & INT64_MAX)).view(), value);
    if (last >= 0 && last < INT64_MAX) next_ = Offset(last + 1);
  }

  void Step() {
    switch (in_.Below(8)) {
      case 0:
      case 1:
      case 2: return Append();
      case 3: return MoveStart();
      case 4: return Truncate();
      case 5: return Read(Offset(in_.Number() & INT64_MAX), log_->written_end());
      case 6: return Find();
      case 7: return in_.Flag() ? Mark() : Reopen();
    }
  }
  void Append() {
    std::vector<SharedBytes> values;
    const std::size_t count = 1 + in_.Below(3);
    for (std::size_t i = 0; i < count; ++i) {
      RecordTexts texts;
      const ProducerStamp producer = in_.Flag() ? ProducerStamp{ProducerId(static_cast<std::int64_t>(in_.Below(5))), ProducerEpoch(static_cast<std::int16_t>(in_.Below(2))),
                                                                Sequence(static_cast<std::int32_t>(in_.Below(8)))} : ProducerStamp{};
      RecordBatchBuilder builder;
      for (const RecordView& record : TakeRecords(&in_, &texts)) builder.Add(record);
      values.push_back(*builder.Build(TakeCodec(&in_), producer, kSideHeaderBytes));
    }
    wall_ms_ += static_cast<std::int64_t>(in_.Below(40'000));
    WriteGroup group;
    const Offset before = log_->log_end();
    const LeaderEpoch epoch = log_->epochs().latest().has_value() ? log_->epochs().latest()->epoch : LeaderEpoch(0);
    const auto staged = log_->StageAppend(group, values, epoch, wall_ms_, in_.Flag());
    if (!staged.ok()) {
      CORDWOOD_CHECK(IsRefusal(staged.status()) && log_->log_end() == before);
      return;
    }
    CORDWOOD_CHECK(staged->base_offsets.size() == count && log_->log_end() >= before);
    Commit(group);
  }
  void MoveStart() {
    WriteGroup group;
    const Offset start(in_.Flag() ? in_.Number() : log_->log_start().value() + static_cast<std::int64_t>(in_.Below(4)));
    const Status staged = log_->StageLogStart(group, start);
    CORDWOOD_CHECK(staged.ok() || ReasonOf(staged) == Reason::kOffsetOutOfRange || (damaged_ && IsRefusal(staged)));
    Commit(group);
    if (log_->StageDropBelowStart(group)) Commit(group);
  }
  void Truncate() {
    const std::int32_t epoch = 1 + (log_->epochs().latest().has_value() ? log_->epochs().latest()->epoch.value() : 0);
    if (epoch < 0 || epoch > 1'000'000) return;
    const Offset end(std::max<std::int64_t>(0, log_->log_end().value() - static_cast<std::int64_t>(in_.Below(8))));
    WriteGroup group;
    const auto cut = log_->StageTruncate(group, end, EpochStart{LeaderEpoch(epoch), end});
    if (!cut.ok()) {
      CORDWOOD_CHECK(IsRefusal(cut.status()));
      return;
    }
    CORDWOOD_CHECK(*cut <= end && log_->log_end() == *cut);
    Commit(group);
  }
  void Mark() {
    WriteGroup group;
    log_->StageRetentionMark(group);
    Commit(group);
  }
  void Reopen() {
    WriteGroup group;
    const Offset start = log_->log_start(), end = log_->log_end();
    if (in_.Flag()) log_->StageClose(group, end);
    shard_.Commit(group);
    auto again = PartitionLog::Open(shard_.store(), id_, kLimits);
    if (!again.ok()) {
      CORDWOOD_CHECK(damaged_ && IsRefusal(again.status()));
      return;
    }
    CORDWOOD_CHECK((*again)->log_start() == start && (*again)->log_end() == end);
    log_ = *std::move(again);
  }
  void Commit(WriteGroup& group) {
    shard_.Commit(group);
    log_->OnCommitted();
  }

  // Batches one after another, each sound in its frame.
  void Read(Offset from, Offset end) {
    const LogReader reader(shard_.store());
    for (int reads = 0; reads < 20; ++reads) {
      const auto result = reader.Read(id_, ReadRange{from, end, 1 + in_.Below(4096)});
      if (!result.ok()) {
        CORDWOOD_CHECK(IsRefusal(result.status()));
        return;
      }
      if (result->batches.view().empty()) {
        CORDWOOD_CHECK(result->next == from);
        return;
      }
      std::string_view batches = result->batches.view();
      while (!batches.empty()) CORDWOOD_CHECK(RecordBatchView::TakeFirst(&batches).ok());
      CORDWOOD_CHECK(result->next > from && result->next <= end);
      from = result->next;
    }
  }
  void Find() {
    const auto found = LogReader(shard_.store()).FindTimestamp(id_, log_->log_start(), log_->written_end(), in_.Number());
    if (!found.ok()) {
      CORDWOOD_CHECK(IsRefusal(found.status()));
    } else if (found->has_value()) {
      CORDWOOD_CHECK((*found)->offset >= log_->log_start() && (*found)->offset < log_->written_end());
    }
  }

  Shard& shard_ = Shard::Get();
  FuzzInput& in_;
  const PartitionId id_;
  std::unique_ptr<PartitionLog> log_;
  bool damaged_ = false;
  Offset next_;
  std::int64_t wall_ms_ = kBuiltMs;
};

}  // namespace
}  // namespace cordwood::testing

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace cordwood::testing;
  FuzzInput in(bytes, size);
  Partition(&in).Run();
  return 0;
}
