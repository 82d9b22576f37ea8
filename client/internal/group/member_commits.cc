// SPDX-License-Identifier: Apache-2.0
// Commits in the stream: each is answered once, whatever becomes of the stream and of the member.
#include <algorithm>
#include <iterator>
#include <utility>

#include "client/internal/group/member_core.h"
#include "client/internal/group/message_pieces.h"
#include "client/internal/rpc_error.h"
#include "cordwood/v1/log.pb.h"

namespace cordwood::client {

std::vector<std::vector<MemberCommitEntry>> InMessages(std::vector<MemberCommitEntry> entries) {
  std::vector<std::vector<MemberCommitEntry>> messages;
  auto first = entries.begin();
  do {
    const auto end = EndOfMessage(first, entries.end(), [](const MemberCommitEntry& entry) { return std::min(entry.metadata.size(), kCommitMetadataBytesMax); });
    messages.emplace_back(std::make_move_iterator(first), std::make_move_iterator(end));
    first = end;
  } while (first != entries.end());
  return messages;
}

StatusOr<std::uint64_t> MemberCore::Commit(std::vector<MemberCommitEntry> entries, absl::Duration now) {
  if (commits_.size() >= kCommitsPendingMax) {
    return Error(Reason::kLimitExceeded, std::to_string(commits_.size()) + " commits wait for an answer already; wait for one of them");
  }
  PendingCommit commit;
  commit.seq = ++last_seq_;
  commit.since = now;
  commit.refused.resize(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    Held* held = Live(entries[i].at, entries[i].tenure);
    if (held == nullptr) {
      commit.refused[i] = Error(Reason::kStaleMemberEpoch, "the partition is no longer this member's" + (reason_.empty() ? "" : " (" + reason_ + ")"));
      continue;
    }
    if (const std::size_t size = entries[i].metadata.size(); size > kCommitMetadataBytesMax) {
      commit.refused[i] = Error(Reason::kOffsetMetadataTooLarge, "metadata of " + std::to_string(size) + " bytes, at most " + std::to_string(kCommitMetadataBytesMax));
      continue;
    }
    commit.asked.push_back(i);
    if (entries[i].position_epoch == held->place.position_epoch) held->committed = entries[i].offset;
  }
  commit.entries = std::move(entries);
  const std::uint64_t seq = commit.seq;
  if (commit.asked.empty()) {
    auto refused = std::move(commit.refused);
    Answer(&commit, std::move(refused));
  } else {
    commits_.push_back(std::move(commit));
  }
  return seq;
}

void MemberCore::Answer(PendingCommit* commit, std::vector<Status> entries) { answers_.push_back({commit->seq, std::move(entries)}); }

void MemberCore::CommitDone(const v1::CommitDone& done) {
  const auto commit =
      std::find_if(commits_.begin(), commits_.end(), [&](const PendingCommit& pending) { return pending.sent && pending.seq == done.seq(); });
  if (commit == commits_.end()) return;  // late, or doubled
  std::vector<Status> entries = std::move(commit->refused);
  for (const auto& error : done.errors()) {
    if (error.entry() >= commit->asked.size()) continue;
    v1::EntryError status;
    status.set_reason(error.reason());
    status.set_message(error.message());
    entries[commit->asked[error.entry()]] = FromEntryError(status);
  }
  Answer(&*commit, std::move(entries));
  commits_.erase(commit);
  ReleaseDrained();
}

void MemberCore::FailCommits(const Status& why) {
  for (PendingCommit& commit : commits_) {
    std::vector<Status> entries = std::move(commit.refused);
    for (const std::size_t index : commit.asked) {
      // What was sent may have been done.
      entries[index] = commit.ever_sent ? TransportError("the commit was sent and not answered: " + MessageOf(why)) : why;
    }
    Answer(&commit, std::move(entries));
  }
  commits_.clear();
}

std::set<Tenure> MemberCore::WithCommits() const {
  std::set<Tenure> tenures;
  for (const PendingCommit& commit : commits_) {
    for (const std::size_t index : commit.asked) tenures.insert(commit.entries[index].tenure);
  }
  return tenures;
}

}  // namespace cordwood::client
