// SPDX-License-Identifier: Apache-2.0
// Hands everything to the loop's thread.
#include "broker/groups/coordinator/group_driver.h"

#include <utility>

#include "broker/groups/coordinator/group_loop.h"

namespace cordwood::broker {
namespace {

// Runs `task`, or refuses at once what could not be handed over.
template <class Refuse>
void Hand(GroupLoop& loop, std::function<void()> task, const Refuse& refuse) {
  if (const Status handed = loop.Post(task); !handed.ok()) refuse(handed);
}

}  // namespace

GroupDriver::GroupDriver(const GroupDriverOptions& options, const PartitionTable& table, OffsetsTopicMaker make_offsets_topic, Clock& clock)
    : loop_(std::make_unique<GroupLoop>(options, table, std::move(make_offsets_topic), clock)) {}

GroupDriver::~GroupDriver() { Stop(); }

GroupPort GroupDriver::AddListener(Outbox* outbox, GroupListener* listener) { return {loop_->AddListener(outbox, listener)}; }
void GroupDriver::Start() { loop_->Start(); }
void GroupDriver::Stop() { loop_->Stop(); }
const GroupMeasures& GroupDriver::measures() const { return loop_->measures(); }

void GroupDriver::OnImage(ClusterImagePtr image) {
  loop_->PostImage(std::move(image));
}

Status GroupDriver::Send(std::unique_ptr<GroupInput>& input) { return loop_->Push(input); }

void GroupDriver::Commit(std::string group, CommitOffsets event, std::function<void(StatusOr<std::vector<Status>>)> done) {
  Hand(*loop_, [loop = loop_.get(), group = std::move(group), event = std::move(event), done] { loop->Commit(group, event, done); }, done);
}

void GroupDriver::Fetch(std::string group, AskedOffsets asked, std::function<void(StatusOr<FetchedOffsets>)> done) {
  Hand(*loop_, [loop = loop_.get(), group = std::move(group), asked = std::move(asked), done] { loop->Fetch(group, asked, done); }, done);
}

void GroupDriver::Reset(std::string group, std::vector<ResetEntry> entries, absl::Duration confirm_within,
                        std::function<void(StatusOr<ResetOutcome>)> done) {
  Hand(*loop_, [loop = loop_.get(), group = std::move(group), entries = std::move(entries), confirm_within, done] {
    loop->Reset(group, entries, confirm_within, done);
  }, done);
}

void GroupDriver::Delete(std::string group, std::function<void(Status)> done) {
  Hand(*loop_, [loop = loop_.get(), group = std::move(group), done] { loop->Delete(group, done); }, done);
}

void GroupDriver::StartReplay(std::string group, ReplayJob job, std::function<void(Status)> done) {
  Hand(*loop_, [loop = loop_.get(), group = std::move(group), job = std::move(job), done] { loop->StartReplay(group, job, done); }, done);
}

void GroupDriver::ChangeReplay(std::string group, ReplayChange change, std::function<void(Status)> done) {
  Hand(*loop_, [loop = loop_.get(), group = std::move(group), change, done] { loop->ChangeReplay(group, change, done); }, done);
}

void GroupDriver::Look(std::string group, std::function<void(StatusOr<GroupView>)> look) {
  Hand(*loop_, [loop = loop_.get(), group = std::move(group), look] { loop->Look(group, look); }, look);
}

void GroupDriver::LookAtAll(std::function<void(const GroupView&)> each, std::function<void(Status)> done) {
  Hand(*loop_, [loop = loop_.get(), each = std::move(each), done] { loop->LookAtAll(each, done); }, done);
}

}  // namespace cordwood::broker
