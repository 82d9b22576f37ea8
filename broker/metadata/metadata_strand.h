// SPDX-License-Identifier: Apache-2.0
// The one thread that talks to the metadata store: changes topics, follows the watch, swaps the cluster image.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "broker/metadata/cluster_image.h"
#include "broker/metadata/image_builder.h"
#include "broker/metadata/metadata_store.h"
#include "broker/metadata/topic_rules.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"

namespace cordwood::broker {

// Threading: the calls below are safe from any thread but block (disk, network): never from a network or shard thread. Each returns when the change is
// durable, the image shows it and every listener has taken it in: after CreateTopic returns, the topic can be produced to.
class MetadataStrand {
 public:
  // Runs on the strand after each change, old image first (nullptr at the start), just before image() shows the new one; its error fails the call
  // that caused the change.
  using ImageListener = std::function<Status(const ClusterImagePtr& before, const ClusterImagePtr& after)>;

  // Reads the store, makes the cluster id if there is none, builds the first image and runs the listeners with it.
  static StatusOr<std::unique_ptr<MetadataStrand>> Start(std::unique_ptr<MetadataStore> store, BrokerImage self, const MetadataLimits& limits,
                                                         std::vector<ImageListener> listeners, Clock& clock);
  ~MetadataStrand();  // joins

  ClusterImagePtr image() const;  // never nullptr; does not block

  // `allowed` runs before a change that needs disk (creation, more partitions); its error is the answer.
  void SetGrowthGate(std::function<Status()> allowed);

  // INVALID_TOPIC_EXCEPTION, TOPIC_ALREADY_EXISTS, INVALID_PARTITIONS, INVALID_REPLICATION_FACTOR, INVALID_CONFIG, COMPACTION_UNSUPPORTED, LIMIT_EXCEEDED,
  // DISK_FULL (from the gate).
  StatusOr<ClusterImage::TopicPtr> CreateTopic(const TopicSpec& spec, bool validate_only);
  // The same without waiting, for whoever must not block; the topic may be there already. `done` comes once, on the strand, or at once with SHUTTING_DOWN.
  void EnsureTopic(TopicSpec spec, std::function<void(Status)> done);
  // UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID.
  Status DeleteTopic(const std::string& name, std::optional<TopicId> id);
  StatusOr<ClusterImage::TopicPtr> CreatePartitions(const std::string& name, std::int32_t total);
  StatusOr<ClusterImage::TopicPtr> AlterTopicConfig(const std::string& name, const ConfigMap& set, const std::vector<std::string>& reset);
  // A producer id never given out before, with epoch 0.
  StatusOr<ProducerId> AllocateProducerId();

 private:
  MetadataStrand(std::unique_ptr<MetadataStore> store, BrokerImage self, const MetadataLimits& limits, std::vector<ImageListener> listeners,
                 Clock& clock);
  // Runs `change` on the strand and waits for its result.
  template <class T>
  T Call(const std::function<T()>& change);
  void Run();

  // The rest is of the strand's thread (and of Start, before there is one).
  Status Begin();
  Status EnsureClusterId();
  Status List();                        // reads everything and watches from there
  Status FollowWatch();                 // takes in what the watch has brought
  Status CatchUp(Revision revision);    // FollowWatch until the image is at least that new
  Status PublishImage();
  // One transaction, then CatchUp. False: somebody else changed the store first; the image is up to date, plan again.
  StatusOr<bool> Change(const std::vector<MetadataCompare>& compares, const std::vector<MetadataWrite>& writes);
  StatusOr<ClusterImage::TopicPtr> PutTopic(const std::function<StatusOr<TopicImage>()>& plan, bool grows, bool validate_only);
  Status RemoveTopic(const std::string& name, const std::optional<TopicId>& id);
  Status ForgetDeletedTopics();
  Status ReserveProducerIds();

  const MetadataLimits limits_;
  const std::vector<ImageListener> listeners_;
  Clock& clock_;
  const std::unique_ptr<MetadataStore> store_;

  ImageBuilder builder_;
  Revision applied_ = 0;  // the builder has taken in everything up to here
  std::int64_t next_producer_id_ = 0;
  std::int64_t producer_ids_end_ = 0;  // exclusive
  std::unique_ptr<MetadataWatch> watch_;

  mutable Mutex mu_;
  CondVar work_;  // tasks, events or stop
  CondVar done_;  // some Call has its result
  ClusterImagePtr image_ ABSL_GUARDED_BY(mu_);
  std::function<Status()> growth_gate_ ABSL_GUARDED_BY(mu_);
  std::deque<std::function<void()>> tasks_ ABSL_GUARDED_BY(mu_);  // one per thread blocked in a call
  std::vector<WatchEvent> events_ ABSL_GUARDED_BY(mu_);
  Revision events_revision_ ABSL_GUARDED_BY(mu_) = 0;
  Status watch_error_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace cordwood::broker
