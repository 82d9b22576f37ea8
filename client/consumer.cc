// SPDX-License-Identifier: Apache-2.0
// What users call: options checked, positions named, then the state does it.
#include "cordwood/consumer.h"

#include <string>
#include <utility>

#include "client/bounds.h"
#include "client/consumer_offsets.h"
#include "client/consumer_state.h"
#include "client/failure.h"
#include "client/fork.h"
#include "client/group/consumer_group.h"
#include "cordwood/client.h"
#include "storage/base/names.h"

namespace cordwood {

using client::ToFailure;
using client::ToRefusal;

namespace {

using std::chrono::milliseconds;
using Places = std::vector<std::pair<TopicPartition, Position>>;

constexpr std::chrono::hours kDay(24);

Status Check(const ConsumerOptions& options) {
  CORDWOOD_RETURN_IF_ERROR(
      client::CheckBounds("ConsumerOptions::memory_bytes_max", options.memory_bytes_max, std::size_t{64 * 1024}, std::size_t{1} << 30));
  CORDWOOD_RETURN_IF_ERROR(
      client::CheckBounds("ConsumerOptions::partition_bytes_max", options.partition_bytes_max, std::size_t{1024}, std::size_t{64 * 1024 * 1024}));
  CORDWOOD_RETURN_IF_ERROR(client::CheckBounds("ConsumerOptions::records_max", options.records_max, std::size_t{1}, std::size_t{1'000'000}));
  CORDWOOD_RETURN_IF_ERROR(client::CheckBounds("ConsumerOptions::close_timeout", options.close_timeout, milliseconds(0), milliseconds(std::chrono::hours(1))));
  const GroupOptions& group = options.group;
  CORDWOOD_RETURN_IF_ERROR(client::CheckBounds("GroupOptions::id, in bytes", group.id.size(), std::size_t{0}, std::size_t{255}));
  CORDWOOD_RETURN_IF_ERROR(client::CheckBounds("GroupOptions::instance_id, in bytes", group.instance_id.size(), std::size_t{0}, std::size_t{255}));
  CORDWOOD_RETURN_IF_ERROR(client::CheckBounds("GroupOptions::client, in bytes", group.client.size(), std::size_t{0}, std::size_t{255}));
  if (!IsUtf8(group.id) || !IsUtf8(group.instance_id) || !IsUtf8(group.client)) return Error(Reason::kInvalidConfig, "GroupOptions::id, instance_id and client are UTF-8");
  CORDWOOD_RETURN_IF_ERROR(client::CheckBounds("GroupOptions::auto_commit_interval", group.auto_commit_interval, milliseconds(0), milliseconds(kDay)));
  CORDWOOD_RETURN_IF_ERROR(client::CheckBounds("GroupOptions::reset, its age", group.reset.age(), milliseconds(0), milliseconds::max()));
  return client::CheckBounds("GroupOptions::max_poll_interval", group.max_poll_interval, milliseconds(1'000), milliseconds(kDay));
}

Places At(const std::vector<TopicPartition>& partitions, Position position) {
  Places places;
  places.reserve(partitions.size());
  for (const TopicPartition& partition : partitions) places.emplace_back(partition, position);
  return places;
}

}  // namespace

Position Position::Ago(std::chrono::milliseconds age) {
  return From(std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now()) - age);
}

Consumer::Consumer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Consumer::Consumer(Consumer&&) noexcept = default;
Consumer& Consumer::operator=(Consumer&& other) noexcept {
  if (this == &other) return *this;
  const Consumer ended(std::move(*this));
  state_ = std::move(other.state_);
  return *this;
}

Consumer::~Consumer() {
  if (client::InForkedChild()) {
    (void)state_.release();  // the thread to be joined and the calls to be ended are the parent's
  } else if (state_ != nullptr) {
    Close();
  }
}

Result<Consumer> Consumer::Open(std::shared_ptr<client::SharedConnection> connection, const ConsumerOptions& options) {
  if (client::InForkedChild()) return client::AfterFork();
  if (const Status status = Check(options); !status.ok()) return ToRefusal(status);
  return Consumer(std::make_unique<State>(std::move(connection), options));
}

Result<Consumer> Client::NewConsumer(const ConsumerOptions& options) { return Consumer::Open(connection_, options); }

Result<void> Consumer::Assign(const std::vector<TopicPartition>& partitions, Position from) { return state_->Assign(At(partitions, from)); }
Result<void> Consumer::Assign(const TopicPartition& partition, Position from) { return state_->Assign(At({partition}, from)); }
Result<void> Consumer::Assign(const std::map<TopicPartition, Position>& positions) { return state_->Assign(Places(positions.begin(), positions.end())); }

Result<void> Consumer::AssignTopic(std::string_view topic, Position from) {
  const auto partitions = PartitionsOf(topic);
  if (!partitions) return partitions.error();
  return Assign(*partitions, from);
}

void Consumer::Unassign(const TopicPartition& partition) {
  if (client::InForkedChild() || state_->group != nullptr) return;  // the parent's, or the group's
  if (const auto found = state_->assignment.find(partition); found != state_->assignment.end()) state_->Unassign(found);
}

std::vector<TopicPartition> Consumer::assignment() const {
  std::vector<TopicPartition> partitions;
  for (const auto& [partition, assigned] : state_->assignment) partitions.push_back(partition);
  return partitions;
}

Result<std::vector<ConsumerRecord>> Consumer::Poll(std::chrono::milliseconds timeout) { return state_->Poll(*this, timeout); }

Result<void> Consumer::Seek(const TopicPartition& partition, Position to) { return state_->Seek(At({partition}, to)); }
Result<void> Consumer::SeekAll(Position to) { return state_->Seek(At(assignment(), to)); }

std::optional<std::int64_t> Consumer::position(const TopicPartition& partition) const {
  const auto found = state_->assignment.find(partition);
  if (found == state_->assignment.end()) return std::nullopt;
  return (state_->group != nullptr ? state_->group->PositionOf(partition) : state_->ahead.position(found->second.slot)).value();
}

void Consumer::Pause(const TopicPartition& partition) {
  if (client::InForkedChild()) return;
  if (const auto found = state_->assignment.find(partition); found != state_->assignment.end()) state_->Pause(found);
}

void Consumer::Resume(const TopicPartition& partition) {
  if (client::InForkedChild()) return;
  if (const auto found = state_->assignment.find(partition); found != state_->assignment.end()) state_->Resume(found);
}

std::vector<TopicPartition> Consumer::paused() const {
  std::vector<TopicPartition> partitions;
  for (const auto& [partition, assigned] : state_->assignment) {
    if (state_->ahead.paused(assigned.slot)) partitions.push_back(partition);
  }
  return partitions;
}

Result<std::vector<PartitionOffsets>> Consumer::Offsets(const std::vector<TopicPartition>& partitions) const {
  if (client::InForkedChild()) return client::AfterFork();
  const auto located = client::Locate(*state_->connection, At(partitions, Position::End()), OffsetReset::kError);
  if (!located.ok()) return ToFailure(located.status());
  std::vector<PartitionOffsets> offsets;
  for (const client::LocatedPartition& each : *located) offsets.push_back(each.log);
  return offsets;
}

Result<PartitionOffsets> Consumer::Offsets(const TopicPartition& partition) const {
  auto offsets = Offsets(std::vector{partition});
  if (!offsets) return offsets.error();
  return offsets->front();
}

Result<std::vector<std::int64_t>> Consumer::Resolve(const std::vector<TopicPartition>& partitions, Position position) const {
  if (client::InForkedChild()) return client::AfterFork();
  const auto located = client::Locate(*state_->connection, At(partitions, position), state_->options.offset_reset);
  if (!located.ok()) return ToFailure(located.status());
  std::vector<std::int64_t> offsets;
  for (const client::LocatedPartition& each : *located) offsets.push_back(each.offset.value());
  return offsets;
}

Result<std::int64_t> Consumer::Resolve(const TopicPartition& partition, Position position) const {
  const auto offsets = Resolve(std::vector{partition}, position);
  if (!offsets) return offsets.error();
  return offsets->front();
}

Result<std::vector<TopicPartition>> Consumer::PartitionsOf(std::string_view topic) const {
  if (client::InForkedChild()) return client::AfterFork();
  const auto image = client::FreshTopic(*state_->connection, topic);
  if (!image.ok()) return ToFailure(image.status());
  std::vector<TopicPartition> partitions;
  for (std::int32_t i = 0; i < image->partitions(); ++i) partitions.push_back({image->name, i});
  return partitions;
}

std::size_t Consumer::buffered_bytes() const {
  if (client::InForkedChild()) return 0;
  return state_->fetch.untaken_bytes() + state_->ahead.held_bytes() + (state_->group != nullptr ? state_->group->early_bytes() : 0);
}

Result<void> Consumer::connection() const {
  if (client::InForkedChild()) return client::AfterFork();
  return client::ToResult(state_->fetch.connection_status());
}

void Consumer::Wakeup() {
  if (client::InForkedChild()) return;
  state_->wanted_awake = true;
  state_->fetch.Wakeup();
}

Result<void> Consumer::Close(std::chrono::milliseconds timeout) {
  if (client::InForkedChild()) return client::AfterFork();
  return state_->Close(*this, timeout);
}

void Consumer::Close() { (void)Close(state_->options.close_timeout); }

}  // namespace cordwood
