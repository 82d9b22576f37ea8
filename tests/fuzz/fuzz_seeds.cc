// SPDX-License-Identifier: Apache-2.0
// Writes a seed corpus for every target from real objects, so that formats may change without stale blobs. usage: fuzz_seeds DIRECTORY
#include <cstdio>
#include <filesystem>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "broker/groups/group_records.h"
#include "broker/metadata/image_builder.h"
#include "broker/server/config/config_schema.h"
#include "cordwood/v1/groups.pb.h"
#include "cordwood/v1/log.pb.h"
#include "storage/log/compaction/cleaning_state.h"
#include "storage/log/epoch_cache.h"
#include "storage/log/keys.h"
#include "storage/log/partition_records.h"
#include "storage/log/producer_state.h"
#include "storage/log/side_header.h"
#include "tests/fuzz/built_batch.h"
#include "tests/support/temp_dir.h"

namespace cordwood::testing {
namespace {

constexpr Codec kCodecs[] = {Codec::kNone, Codec::kGzip, Codec::kSnappy, Codec::kLz4, Codec::kZstd};

class Corpus {
 public:
  Corpus(const std::string& root, const std::string& target) : directory_(root + "/" + target) { std::filesystem::create_directories(directory_); }
  void Add(const std::string& bytes) { WriteFile(directory_ + "/seed-" + std::to_string(count_++), bytes); }

 private:
  const std::string directory_;
  int count_ = 0;
};

std::string Choice(int n) { return std::string(1, static_cast<char>(n)); }

std::string Batch(Codec codec, const ProducerStamp& producer = {}) {
  const std::vector<RecordView> records = {{Offset(0), kBuiltMs, "k1", "hello", {}},
                                           {Offset(1), kBuiltMs + 100, std::nullopt, "world", {{"h", "v"}, {"n", std::nullopt}}},
                                           {Offset(2), kBuiltMs - 50, "k1", std::nullopt, {}}};
  return BatchOfRecords(records, codec, producer);
}

std::string At(std::string batch, std::int64_t offset) {
  StampBatch(batch.data(), Offset(offset), LeaderEpoch(0));
  return batch;
}

void BatchSeeds(const std::string& root) {
  Corpus bytes(root, "batch_bytes"), built(root, "built_batch"), frames(root, "codec_frame");
  for (const Codec codec : kCodecs) {
    const std::string batch = Batch(codec, {ProducerId(7), ProducerEpoch(1), Sequence(42)});
    bytes.Add(batch);
    bytes.Add(batch + Batch(Codec::kNone));
    frames.Add(Choice(static_cast<int>(codec)) + Choice(16) + std::string(RecordBatchView::Parse(batch)->records()));
    // Codec, producer, two records (key and value; value and a header), no lies; then a lie about a header field.
    const std::string records = Choice(static_cast<int>(codec)) + '\0' + Choice(1) + Choice(2) + "\3key\5value" + Choice(8) + "\5value\1h\1v";
    built.Add(records);
    built.Add(records + '\2' + std::string("\x1B\4\xC2", 3) + std::string("\x41\0\xFF", 3));
  }
  frames.Add(Choice(2) + Choice(16) + std::string("\x05\x10hello", 7));  // raw snappy
}

v1::ProduceEntry* AddEntry(v1::ProduceRequest* request) {
  v1::ProduceEntry* entry = request->add_entries();
  entry->set_handle(1);
  entry->set_topic("orders");
  entry->set_partition(0);
  entry->set_current_leader_epoch(0);
  entry->set_expected_offset(0);
  return entry;
}

void RequestSeeds(const std::string& root) {
  Corpus corpus(root, "wire_request");
  v1::ProduceRequest batches;
  batches.set_seq(1);
  batches.set_acks(v1::ACKS_ALL);
  batches.set_timeout_ms(1000);
  AddEntry(&batches)->set_batches(Batch(Codec::kNone) + Batch(Codec::kZstd));
  AddEntry(&batches)->set_batches(Batch(Codec::kLz4));
  v1::ProduceRequest plain;
  v1::Record* record = AddEntry(&plain)->add_records();
  record->set_key("k");
  record->set_value("v");
  record->set_timestamp_ms(kBuiltMs);
  record->add_headers()->set_key("h");
  plain.mutable_entries(0)->add_records()->set_value("second");
  v1::FetchRequest fetch;
  fetch.set_seq(2);
  fetch.set_max_wait_ms(10);
  fetch.set_add_credit_bytes(1 << 20);
  v1::FetchPartition* partition = fetch.add_partitions();
  partition->set_handle(1);
  partition->set_topic("orders");
  partition->set_partition(0);
  partition->set_fetch_offset(5);
  partition->set_position(3);
  fetch.add_partitions()->set_action(v1::FetchPartition::REMOVE);
  for (const int slices : {0, 60, 252}) {
    corpus.Add(Choice(slices) + batches.SerializeAsString());
    corpus.Add(Choice(slices) + plain.SerializeAsString());
    corpus.Add(Choice(slices + 1) + fetch.SerializeAsString());
  }
  // From offset 0, 100 bytes; unstamped, then stamped with the largest offset.
  const std::string how = Choice(2) + Choice(1) + std::string("\0\0\0\x64", 4);
  for (const Codec codec : kCodecs) {
    corpus.Add(how + std::string("\0\1", 2) + Batch(codec) + At(Batch(codec), 3));
    corpus.Add(how + std::string("\1\xC0", 2) + Batch(codec));
  }
}

void AnswerSeeds(const std::string& root) {
  Corpus corpus(root, "fetch_answer");
  v1::FetchResponse response;
  response.set_seq(1);
  v1::FetchResult* result = response.add_results();
  result->set_handle(1);
  result->set_high_watermark(6);
  result->set_log_start(0);
  result->set_batches(Batch(Codec::kNone) + At(Batch(Codec::kGzip), 3));
  const std::string good = Choice(0) + response.SerializeAsString();
  corpus.Add(good);
  response.add_results()->set_handle(2);
  response.mutable_results(1)->mutable_error()->set_reason(v1::OFFSET_OUT_OF_RANGE);
  corpus.Add(Choice(0) + response.SerializeAsString());
  response.mutable_results(1)->mutable_error()->set_reason(v1::NOT_LEADER_OR_FOLLOWER);
  response.mutable_results(1)->mutable_error()->set_retry_after_ms(50);
  response.mutable_results(0)->mutable_gap()->set_to(3);
  corpus.Add(Choice(0) + response.SerializeAsString());
  corpus.Add(Choice(1) + std::string("\1\5", 2) + Choice(2) + good);
  // Silenced, then another in its place.
  corpus.Add(std::string("\4\0\1\0\1\5\0\5\1\2", 10) + good);
}

// Each as produce_answer_fuzz.cc reads it: batches for three partitions, an id, messages, answers.
void ProduceAnswerSeeds(const std::string& root) {
  Corpus corpus(root, "produce_answer");
  const std::string id = "\x09\x10", send = "\2\3", well = "\4";
  std::string batches;
  for (char slot = 0; slot < 3; ++slot) batches += std::string(1, '\0') + slot + std::string("\1\0", 2);
  for (const int how : {0, 7, 8}) {
    const std::string opening = Choice(how) + batches + id + batches + send;
    corpus.Add(opening + well + send + well);
    corpus.Add(opening + "\7" + Choice(1) + "\7" + send + well);  // the stream breaks and opens
    for (const int reason : {5, 7, 10, 45, 47, 59, 89}) {  // the first entry is refused
      corpus.Add(opening + std::string("\5\0\0\1\0", 5) + Choice(reason + 1) + std::string("\0\2\1\2", 4) + "\x08" + std::string("\0\0\xFF\0\1", 5) + send + well);
    }
  }
  v1::ProduceResponse response;
  response.set_window_bytes(1000);
  v1::Done* done = response.add_done();
  done->set_seq(1);
  done->add_base_offset(INT64_MAX);
  done->add_errors()->set_reason(v1::MESSAGE_TOO_LARGE);
  const std::string bytes = response.SerializeAsString();
  corpus.Add(Choice(0) + batches + id + send + "\6" + '\0' + Choice(static_cast<int>(bytes.size())) + bytes + send);
}

// Each as member_answer_fuzz.cc reads it: steps of three bytes, a message behind those that are one.
void MemberAnswerSeeds(const std::string& root) {
  Corpus corpus(root, "member_answer");
  const auto step = [](int what, std::uint16_t number) {
    std::string bytes = Choice(what);
    AppendBigEndian(&bytes, number);
    return bytes;
  };
  const auto say = [&](const v1::CoordinatorMessage& message) {
    const std::string bytes = message.SerializeAsString();
    return step(0, static_cast<std::uint16_t>(bytes.size())) + bytes;
  };
  const auto assigned = [](v1::AssignedPartition* to, int partition, std::uint32_t position_epoch) {
    to->set_topic_id(std::string(16, 't'));
    to->set_partition(partition);
    to->set_offset(5);
    to->set_position_epoch(position_epoch);
  };
  v1::CoordinatorMessage welcome, target, revoke, positions, done;
  welcome.mutable_welcome()->set_member_epoch(1);
  welcome.mutable_welcome()->set_heartbeat_interval_ms(5000);
  welcome.mutable_welcome()->set_session_timeout_ms(15'000);
  target.mutable_target()->set_member_epoch(2);
  for (const int partition : {0, 1}) assigned(target.mutable_target()->add_assigned(), partition, 0);
  revoke.mutable_target()->set_member_epoch(3);
  assigned(revoke.mutable_target()->add_assigned(), 0, 0);
  revoke.mutable_target()->mutable_revoke()->add_topics()->set_topic_id(std::string(16, 't'));
  revoke.mutable_target()->mutable_revoke()->mutable_topics(0)->add_partitions(1);
  assigned(positions.mutable_positions()->add_positions(), 0, 1);
  done.mutable_commit_done()->set_seq(1);
  const std::string joined = step(1, 0) + say(welcome) + say(target) + step(4, 1);
  const std::string commit = step(5, 7);
  corpus.Add(joined + commit + say(done));
  corpus.Add(joined + commit + say(revoke) + step(4, 0) + say(done) + step(4, 1) + say(target));
  corpus.Add(joined + commit + say(positions) + step(4, 1) + commit);
  corpus.Add(joined + step(7, 400) + step(3, 2) + step(1, 0) + say(welcome));
  for (std::uint16_t end = 0; end < 10; ++end) corpus.Add(joined + commit + step(2, end) + step(1, 0) + say(welcome) + say(target) + step(4, 1));
}

void ConfigurationSeeds(const std::string& root) {
  Corpus corpus(root, "configuration");
  std::string file, environment;
  for (const broker::ConfigKey& key : broker::ConfigKeys()) {
    file += std::string(key.name) + " = " + std::string(key.default_value) + "  # " + std::string(key.documentation.substr(0, 20)) + "\n";
    environment += key.EnvironmentName() + "=" + std::string(key.default_value) + "\n";
    corpus.Add(Choice(1) + "--set\n" + std::string(key.name) + "=" + std::string(key.default_value));
  }
  corpus.Add(Choice(0) + file);
  corpus.Add(Choice(0) + "listeners = [::1]:9600\ndata.dir=/srv/log\n");
  corpus.Add(Choice(0) + "queued.max.request.bytes = 16777216\nsocket.request.max.bytes = 33554432\n");
  corpus.Add(Choice(1) + "--data-dir\n/srv/a b\n--listen\n127.0.0.1:0\n--insecure\n--config\nx");
  corpus.Add(Choice(2) + environment);
  std::string topic;
  for (const broker::TopicConfigKey& key : broker::TopicConfigKeys()) {
    topic += std::string(key.name) + "=" + broker::TopicConfigValue(broker::TopicConfig{}, key.name) + "\n";
  }
  corpus.Add(Choice(3) + topic);
  corpus.Add(Choice(3) + "cleanup.policy=compact\n");
}

std::string ProducerSnapshot(Offset end) {
  ProducerState state;
  for (const std::int64_t id : {1, 2}) {
    const std::string bytes = At(Batch(Codec::kNone, {ProducerId(id), ProducerEpoch(0), Sequence(0)}), 3 * id);
    state.Apply(*RecordBatchView::Parse(bytes), kBuiltMs);
  }
  return state.Encode(end);
}

// Each record by itself, then a group of one member with an offset, as a log.
void GroupSeeds(Corpus& corpus, Corpus& logs) {
  using namespace broker;
  const TopicPartition at{{}, PartitionIndex(3)};
  std::string log;
  std::string steps;  // as group_log_fuzz.cc reads them: stream, member, epoch, what; joins, targets, heartbeats, commits, the others
  auto add = [&](int choice, GroupRecordKind kind, const std::string& value) {
    GroupRecordKey key;
    key.kind = kind;
    key.group = "g";
    if (kind == GroupRecordKind::kOffset) key.partition = at;
    if (kind >= GroupRecordKind::kMember && kind <= GroupRecordKind::kCurrent) key.member = "m";
    const std::string bytes = Encode(key);
    corpus.Add(Choice(13) + bytes);
    corpus.Add(Choice(choice) + value);
    log += Choice(static_cast<int>(bytes.size())) + bytes + Choice(0) + Choice(static_cast<int>(value.size())) + value;
  };
  CommittedOffset offset;
  offset.offset = Offset(42);
  offset.topic = "orders";
  GroupHeader header;
  header.group_epoch = header.assignment_epoch = MemberEpoch(2);
  GroupMember member;
  member.rebalance_timeout_ms = 1000;
  member.joined_epoch = MemberEpoch(1);
  member.topics = {"orders"};
  MemberCurrent current;
  current.epoch = MemberEpoch(2);
  current.held[at] = {MemberEpoch(2), false};
  add(14, GroupRecordKind::kOffset, Encode(offset));
  add(15, GroupRecordKind::kGroup, Encode(header));
  add(16, GroupRecordKind::kMember, Encode(member));
  add(17, GroupRecordKind::kTarget, Encode(MemberTarget{at}));
  add(18, GroupRecordKind::kCurrent, Encode(current));
  const ReplayJob job{"s", ReplayState::kRunning, 0, ReplayClock{1000, 5, 2000}, 0, {{at, {Offset(40), Offset(50), 1}}}};
  add(21, GroupRecordKind::kReplay, Encode(job));
  corpus.Add(Choice(19) + log);
  logs.Add(Choice(5) + log);
  const std::string target = std::string("\0\0\1\x0B\0\1\0\0\0\1", 10);
  for (char who = 0; who < 3; ++who) {
    const std::string from = std::string(1, who) + who;
    steps += from + std::string("\1\0\0\1\1\1\0\xE0", 8) + target + from + std::string("\2\1\0", 3) + from + std::string("\2\4\1\2\0\0\5\0\1\1\6\0", 12);
    for (char what = 2; what < 12; ++what) logs.Add(Choice(5 * (who % 2)) + (who % 2 == 0 ? "" : log) + steps + from + '\3' + what + std::string("\0\1\2\3\4", 5) + target);
  }
}

void DiskSeeds(const std::string& root) {
  Corpus corpus(root, "disk_bytes");
  const PartitionId partition(9);
  corpus.Add(Choice(0) + std::string(BatchKey(partition, Offset(5)).view()));
  corpus.Add(Choice(0) + std::string(IndexKey(partition, Offset(5)).view()));
  corpus.Add(Choice(0) + std::string(PartitionKey(MetadataKind::kEpochs, partition).view()));
  corpus.Add(Choice(1) + Encode(ShardIdentity{1, ShardKind::kLog, ShardId(3), {}}));
  corpus.Add(Choice(2) + Encode(PartitionIdentity{{}, PartitionIndex(1), kBuiltMs, {}}));
  CleaningState cleaning;
  cleaning.clean_end = cleaning.gaps_end = Offset(9);
  cleaning.AddMark(Offset(4), kBuiltMs, 0, Offset(0));
  cleaning.AddMark(Offset(9), kBuiltMs, 0, Offset(1));
  corpus.Add(Choice(20) + Encode(cleaning));
  corpus.Add(Choice(3) + Encode(PartitionCheckpoint{false, Offset(1), Offset(9), Offset(9), 1000, 10, kBuiltMs, kBuiltMs, kBuiltMs}));
  corpus.Add(Choice(4) + EncodeIndexValue(IndexEntry{Offset(5), kBuiltMs, kBuiltMs, 500}));
  std::string stored = std::string(kSideHeaderBytes, '\0') + Batch(Codec::kSnappy);
  WriteSideHeader(stored.data(), SideHeader{kBuiltMs});
  corpus.Add(Choice(5) + stored);
  corpus.Add(Choice(6) + stored);
  std::string slot;
  AppendBigEndian(&slot, std::uint64_t{0x434F524453594E43});
  AppendBigEndian(&slot, std::uint64_t{41});
  AppendBigEndian(&slot, Crc32c(slot));
  corpus.Add(Choice(7) + slot);
  corpus.Add(Choice(8) + "major=1\nminor=0\ndata_dir_id=00112233-4455-6677-8899-aabbccddeeff\n");
  broker::TopicImage topic;
  topic.configs = {{"durability", "os"}};
  topic.partition_count = 3;
  const std::string state = broker::EncodeTopic(topic).SerializeAsString();
  corpus.Add(Choice(9) + Choice(0) + "\6orders" + '\0' + Choice(static_cast<int>(state.size())) + state + Choice(255));
  EpochCache epochs;
  epochs.Assign(LeaderEpoch(1), Offset(0));
  epochs.Assign(LeaderEpoch(4), Offset(10));
  corpus.Add(Choice(10) + Choice(2) + '\0' + epochs.Encode() + std::string("\0\x20\x09\3\x15\5\2\7\1", 9));
  const std::string snapshot = ProducerSnapshot(Offset(20));
  // Two records of the manifest, then zeros.
  corpus.Add(Choice(12) + Choice(2) + "\1\1\4edit\1\1\4edit" + std::string(16, '\0'));
  // One record up to the last bytes of a block, which hold no header; then another and zeros.
  corpus.Add(Choice(12) + Choice(2) + std::string("\1\0\x7F\xF4\1\1\4edit", 10) + std::string(16, '\0'));
  Corpus logs(root, "group_log");
  GroupSeeds(corpus, logs);
  corpus.Add(Choice(11) + '\0' + Choice(static_cast<int>(snapshot.size())) + snapshot + std::string("\1\2\0\1\3\1\0\x0A\0\5\1\4\3\2\1", 15));
}

// As stored_partition_fuzz.cc reads them: stored records of any kind, then steps.
void StoredPartitionSeeds(const std::string& root) {
  Corpus corpus(root, "stored_partition");
  const std::string record("\0\0\2hi", 5);                        // one, plain, of two bytes
  const std::string append = Choice(0) + Choice(0) + Choice(0) + record + std::string("\0\0\0\0", 4);
  std::string steps;
  for (const int step : {5, 6, 3, 4, 7}) steps += append + append + Choice(step) + std::string("\1\1\2\3", 4);
  corpus.Add(Choice(0) + steps);
  const std::string batch = Choice(0) + record + std::string("\0\0\1\0\0\1\0\0", 8);
  corpus.Add(Choice(1) + Choice(2) + batch + batch + batch + steps);
  const std::string checkpoint = Encode(PartitionCheckpoint{false, Offset(1), Offset(3), Offset(3), 200, 60, kBuiltMs, kBuiltMs, kBuiltMs});
  const std::string index = EncodeIndexValue(IndexEntry{Offset(2), kBuiltMs, kBuiltMs, 120});
  EpochCache epochs;
  epochs.Assign(LeaderEpoch(1), Offset(0));
  const std::vector<std::pair<int, std::string>> records = {{1, checkpoint}, {2, epochs.Encode()}, {3, ProducerSnapshot(Offset(2))}};
  for (const auto& [kind, value] : records) {
    const std::string put = Choice(5) + Choice(kind) + Choice(static_cast<int>(value.size())) + value;
    corpus.Add(Choice(1) + Choice(3) + batch + batch + put + Choice(4) + Choice(3) + Choice(static_cast<int>(index.size())) + index + steps);
  }
}

// One record to partition `p` of the input's topic, and a fetch stream's wish for it, as broker_requests.cc reads them.
std::string ProduceCall(char p) { return std::string("\0\1\x80\0\0", 5) + p + std::string("\0\0\0\0\0\2hi\0\0", 10); }
std::string FetchStreamCall(char p, bool as_records) {
  const std::string partition = std::string(1, p) + std::string("\0\0", 2) + p + std::string("\0\0", 2);
  return as_records ? "\6\x77" + partition + partition + partition : "\6\x7D" + partition;
}

// Any bytes are a sequence of calls; long ones reach more states than what libFuzzer grows from nothing.
void CallSeeds(const std::string& root) {
  Corpus corpus(root, "broker_calls");
  for (const bool as_records : {false, true}) {
    std::string calls = Choice(2);  // three partitions
    for (char p = 0; p < 3; ++p) calls += ProduceCall(p) + FetchStreamCall(p, as_records) + ProduceCall(p) + ProduceCall(p);
    corpus.Add(calls);
    corpus.Add(calls + ProduceCall(1) + "\x0A\1" + std::string("\0\0\0\1\2", 5) + ProduceCall(1));  // records deleted in between
  }
  // By the topic's id; where the key says; epochs to fetch with that are none; every question there is.
  const std::string by_id = std::string("\0\1\xE0\0\0", 5) + std::string("\0\0\0\0\0\2hi\0\0", 10);
  const std::string by_key = std::string("\0\1\xE8\0\3\0\1\1k\1v", 11);
  std::string diverging = ProduceCall(0) + ProduceCall(0);
  for (const char offset : {'\0', '\x81'}) {
    diverging += std::string("\x09\1\x80\0\0\0", 6) + offset + "\xE0\5" + std::string("\6\x7D\0\0\0\0", 6) + offset + "\xE0\5";
  }
  const std::string questions = std::string("\x10\0\x11\1\0\0\3\0\0\0\1\1\0\x11\0\0\0\0\1\2", 20);
  for (const std::string& calls : {by_id + by_key + by_id, diverging, questions, by_key + questions + diverging + by_id}) corpus.Add(Choice(2) + calls);
  std::mt19937 random(7);
  for (std::size_t length = 32; length <= 1024; length *= 2) {
    for (int i = 0; i < 3; ++i) {
      std::string bytes(length, '\0');
      // Small bytes are sound choices.
      for (char& c : bytes) c = static_cast<char>(random() % (random() % 4 == 0 ? 256 : 32));
      corpus.Add(bytes);
    }
  }
}

}  // namespace
}  // namespace cordwood::testing

int main(int argc, char** argv) {
  using namespace cordwood::testing;
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
    return 2;
  }
  const std::string root = argv[1];
  BatchSeeds(root);
  RequestSeeds(root);
  AnswerSeeds(root);
  ProduceAnswerSeeds(root);
  MemberAnswerSeeds(root);
  ConfigurationSeeds(root);
  DiskSeeds(root);
  StoredPartitionSeeds(root);
  CallSeeds(root);
  return 0;
}
