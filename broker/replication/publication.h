// SPDX-License-Identifier: Apache-2.0
// What a shard tells every network thread after each group: new batches, how far each partition may be read, and the thread's own answers.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "broker/replication/append_op.h"
#include "broker/replication/outbox.h"
#include "broker/replication/replica_handle.h"
#include "storage/base/mailbox.h"
#include "storage/base/reuse/free_list.h"
#include "storage/base/shared_bytes.h"

namespace cordwood::broker {

struct PublishedBatch {
  SharedBytes value;  // side header and batch, as stored
  Offset base;        // inclusive
  Offset end;         // exclusive
};

// Batches are published when they are written; they may be read once the high watermark has passed them, in this or a later update.
struct PartitionUpdate {
  ReplicaHandlePtr partition;
  ReplicaSnapshot snapshot;
  std::size_t first_batch = 0;  // in Publication::batches
  std::size_t batch_count = 0;  // 0 where only the snapshot moved
};

struct Publication {
  std::vector<PartitionUpdate> updates;
  std::vector<PublishedBatch> batches;  // of all updates; those of one are consecutive and ascend

  std::span<const PublishedBatch> BatchesOf(const PartitionUpdate& update) const { return {batches.data() + update.first_batch, update.batch_count}; }
  bool empty() const { return updates.empty(); }
};

// A network thread's ear. Called on that thread, before the answers of the same group.
class PublicationListener {
 public:
  virtual ~PublicationListener() = default;
  virtual void OnPublication(const Publication& publication) = 0;
};

class GroupNewsPool;

// One message, and so at most one wake-up, for each thread, however many answers there are. Whoever hears it last gives it back to the pool, empty.
class GroupNews : public MailboxNode {
 public:
  // Of the shard, until Send().
  Publication publication;

  void AddThread(Outbox& outbox, PublicationListener& listener);
  // False if the operation belongs to no thread that was added.
  bool AddAnswer(AppendOp& op);
  // To every thread that has anything to hear. This is the receivers' afterwards.
  static void Send(std::unique_ptr<GroupNews> news, std::shared_ptr<GroupNewsPool> pool);

 private:
  struct Message final : OutboxMessage {
    void Run() override;
    GroupNews* news = nullptr;
    Outbox* outbox = nullptr;
    PublicationListener* listener = nullptr;
    std::vector<AppendOp*> answers;
  };
  void Heard();

  std::vector<std::unique_ptr<Message>> messages_;  // one a thread
  std::atomic<int> not_heard_{0};                   // whoever takes it to zero owns the rest
  std::shared_ptr<GroupNewsPool> pool_;             // while it is under way
};

// Threading: Take() is the shard's; what comes back comes from any thread, and may come after the shard is gone.
class GroupNewsPool {
 public:
  ~GroupNewsPool() { CollectBack(); }
  std::unique_ptr<GroupNews> Take();  // nullptr if none is back
  void Give(std::unique_ptr<GroupNews> news) { back_.Push(news.release()); }

 private:
  void CollectBack();

  static constexpr std::size_t kSparesMax = 64;
  Mailbox<GroupNews> back_;
  FreeList<GroupNews> spares_{kSparesMax};
};

}  // namespace cordwood::broker
