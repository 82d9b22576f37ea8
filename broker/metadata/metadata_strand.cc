// SPDX-License-Identifier: Apache-2.0
// Plans each change against the image, writes it with compare-and-swap, and comes back when the watch has shown it.
#include "broker/metadata/metadata_strand.h"

#include <algorithm>
#include <chrono>

#include "storage/base/thread_name.h"

namespace cordwood::broker {
namespace {

constexpr int kAttemptsMax = 5;                   // against other writers of the same key
constexpr std::int64_t kProducerIdBlock = 1000;   // lost at a crash, never reused
constexpr std::int64_t kFirstProducerId = 1;
constexpr std::size_t kDeletedTopicsMax = 256;    // remembered until the next start, unless there are more
constexpr std::chrono::seconds kWatchPatience(10);

MetadataWrite Put(std::string key, std::string value) {
  MetadataWrite write;
  write.key = std::move(key);
  write.value = std::move(value);
  return write;
}

MetadataWrite Delete(std::string key) {
  MetadataWrite write;
  write.kind = MetadataWrite::Kind::kDelete;
  write.key = std::move(key);
  return write;
}

Status Contended(std::string_view what) {
  return Error(Reason::kConflict, std::string(what) + ": others keep changing it; try again");
}

}  // namespace

StatusOr<std::unique_ptr<MetadataStrand>> MetadataStrand::Start(std::unique_ptr<MetadataStore> store, BrokerImage self,
                                                                const MetadataLimits& limits, std::vector<ImageListener> listeners,
                                                                Clock& clock) {
  std::unique_ptr<MetadataStrand> strand(new MetadataStrand(std::move(store), std::move(self), limits, std::move(listeners), clock));
  CORDWOOD_RETURN_IF_ERROR(strand->Begin());
  strand->thread_ = std::thread([raw = strand.get()] { raw->Run(); });
  return strand;
}

MetadataStrand::MetadataStrand(std::unique_ptr<MetadataStore> store, BrokerImage self, const MetadataLimits& limits,
                               std::vector<ImageListener> listeners, Clock& clock)
    : limits_(limits), listeners_(std::move(listeners)), clock_(clock), store_(std::move(store)), builder_(self) {}

MetadataStrand::~MetadataStrand() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
    work_.Signal();
  }
  if (thread_.joinable()) thread_.join();
  watch_.reset();  // no callback may find the lock gone
}

ClusterImagePtr MetadataStrand::image() const {
  MutexLock lock(mu_);
  return image_;
}

void MetadataStrand::SetGrowthGate(std::function<Status()> allowed) {
  MutexLock lock(mu_);
  growth_gate_ = std::move(allowed);
}

template <class T>
T MetadataStrand::Call(const std::function<T()>& change) {
  std::optional<T> result;
  MutexLock lock(mu_);
  if (stopping_) return Error(Reason::kShuttingDown, "the broker is shutting down");
  tasks_.push_back([this, &change, &result] {
    T outcome = change();
    MutexLock task_lock(mu_);
    result = std::move(outcome);
    done_.SignalAll();
  });
  work_.Signal();
  while (!result.has_value()) done_.Wait(mu_);
  return *std::move(result);
}

void MetadataStrand::Run() {
  SetThreadName("metadata");
  while (true) {
    std::function<void()> task;
    {
      MutexLock lock(mu_);
      while (tasks_.empty() && events_.empty() && watch_error_.ok() && !stopping_) work_.Wait(mu_);
      if (tasks_.empty() && stopping_) return;
      if (!tasks_.empty()) {
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
    }
    if (task != nullptr) {
      task();
    } else {
      (void)FollowWatch();  // nobody asked; a listener that fails keeps what it could not do and tries again at the next image
    }
  }
}

Status MetadataStrand::Begin() {
  CORDWOOD_RETURN_IF_ERROR(EnsureClusterId());
  CORDWOOD_RETURN_IF_ERROR(List());
  return ForgetDeletedTopics();
}

Status MetadataStrand::EnsureClusterId() {
  cordwood::v1::ClusterState state;
  state.set_cluster_id(std::string(Uuid::Random().raw()));
  state.set_created_ms(clock_.WallMs());
  const std::string key(kClusterKey);
  return store_->Transact({MetadataCompare{key, 0}}, {Put(key, state.SerializeAsString())}).status();
}

Status MetadataStrand::List() {
  watch_.reset();
  CORDWOOD_ASSIGN_OR_RETURN(const RangeResult all, store_->Range(std::string(kMetadataPrefix), std::string(kMetadataEnd)));
  {
    MutexLock lock(mu_);
    events_.clear();
    watch_error_ = absl::OkStatus();
  }
  builder_.Clear();
  for (const MetadataEntry& entry : all.entries) CORDWOOD_RETURN_IF_ERROR(builder_.Put(entry));
  applied_ = all.revision;
  CORDWOOD_ASSIGN_OR_RETURN(watch_, store_->Watch(std::string(kMetadataPrefix), std::string(kMetadataEnd), all.revision + 1,
                                                  [this](StatusOr<std::vector<WatchEvent>> events, Revision revision) {
                                                    MutexLock lock(mu_);
                                                    if (!events.ok()) {
                                                      watch_error_ = events.status();
                                                    } else {
                                                      for (WatchEvent& event : *events) events_.push_back(std::move(event));
                                                      events_revision_ = revision;
                                                    }
                                                    work_.Signal();
                                                  }));
  return PublishImage();
}

Status MetadataStrand::FollowWatch() {
  std::vector<WatchEvent> events;
  bool lost = false;
  {
    MutexLock lock(mu_);
    lost = !watch_error_.ok();
    events.swap(events_);
    if (!events.empty()) applied_ = events_revision_;
  }
  if (lost) return List();
  Status unreadable;
  for (const WatchEvent& event : events) {
    if (event.deleted) {
      builder_.Delete(event.entry.key);
    } else {
      unreadable.Update(builder_.Put(event.entry));
    }
  }
  if (builder_.changed()) unreadable.Update(PublishImage());
  return unreadable;
}

Status MetadataStrand::CatchUp(Revision revision) {
  while (true) {
    CORDWOOD_RETURN_IF_ERROR(FollowWatch());
    if (applied_ >= revision) return absl::OkStatus();
    MutexLock lock(mu_);
    if (!events_.empty() || !watch_error_.ok()) continue;
    if (!work_.WaitFor(mu_, kWatchPatience)) return Error(Reason::kRequestTimedOut, "the metadata store did not show the change");
  }
}

Status MetadataStrand::PublishImage() {
  const ClusterImagePtr before = image();
  const ClusterImagePtr after = builder_.Build(applied_);
  Status failed;
  for (const ImageListener& listener : listeners_) failed.Update(listener(before, after));
  MutexLock lock(mu_);
  image_ = after;
  return failed;
}

StatusOr<bool> MetadataStrand::Change(const std::vector<MetadataCompare>& compares, const std::vector<MetadataWrite>& writes) {
  CORDWOOD_ASSIGN_OR_RETURN(const TransactionResult result, store_->Transact(compares, writes));
  CORDWOOD_RETURN_IF_ERROR(CatchUp(result.revision));
  return result.succeeded;
}

StatusOr<ClusterImage::TopicPtr> MetadataStrand::PutTopic(const std::function<StatusOr<TopicImage>()>& plan, bool grows, bool validate_only) {
  std::function<Status()> gate;
  {
    MutexLock lock(mu_);
    if (grows) gate = growth_gate_;
  }
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    CORDWOOD_ASSIGN_OR_RETURN(TopicImage topic, plan());
    if (gate != nullptr) CORDWOOD_RETURN_IF_ERROR(gate());
    if (validate_only) return ClusterImage::TopicPtr(std::make_shared<TopicImage>(std::move(topic)));
    if (topic.id.is_nil()) {
      topic.id = TopicId::Random();
      topic.created_ms = clock_.WallMs();
    }
    const std::string key = TopicKey(topic.name);
    CORDWOOD_ASSIGN_OR_RETURN(const bool done,
                              Change({MetadataCompare{key, topic.revision}}, {Put(key, EncodeTopic(topic).SerializeAsString())}));
    if (!done) continue;
    const auto created = image()->FindTopic(topic.id);
    if (created == nullptr) return Error(Reason::kConflict, "topic \"" + topic.name + "\" was deleted by somebody else");
    return created;
  }
  return Contended("topic");
}

StatusOr<ClusterImage::TopicPtr> MetadataStrand::CreateTopic(const TopicSpec& spec, bool validate_only) {
  return Call<StatusOr<ClusterImage::TopicPtr>>(
      [&] { return PutTopic([&] { return PlanTopic(*image(), spec, limits_); }, true, validate_only); });
}

void MetadataStrand::EnsureTopic(TopicSpec spec, std::function<void(Status)> done) {
  {
    MutexLock lock(mu_);
    if (!stopping_) {
      tasks_.push_back([this, spec = std::move(spec), done] {
        const Status made = PutTopic([&] { return PlanTopic(*image(), spec, limits_); }, true, false).status();
        done(ReasonOf(made) == Reason::kTopicAlreadyExists ? absl::OkStatus() : made);
      });
      work_.Signal();
      return;
    }
  }
  done(Error(Reason::kShuttingDown, "the broker is shutting down"));
}

StatusOr<ClusterImage::TopicPtr> MetadataStrand::CreatePartitions(const std::string& name, std::int32_t total) {
  return Call<StatusOr<ClusterImage::TopicPtr>>(
      [&] { return PutTopic([&] { return PlanPartitions(*image(), name, total, limits_); }, true, false); });
}

StatusOr<ClusterImage::TopicPtr> MetadataStrand::AlterTopicConfig(const std::string& name, const ConfigMap& set,
                                                                  const std::vector<std::string>& reset) {
  return Call<StatusOr<ClusterImage::TopicPtr>>(
      [&] { return PutTopic([&] { return PlanConfig(*image(), name, set, reset); }, false, false); });
}

Status MetadataStrand::DeleteTopic(const std::string& name, std::optional<TopicId> id) {
  return Call<Status>([&] { return RemoveTopic(name, id); });
}

Status MetadataStrand::RemoveTopic(const std::string& name, const std::optional<TopicId>& id) {
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    CORDWOOD_ASSIGN_OR_RETURN(const auto topic, PlanDeletion(*image(), name, id));
    const std::string key = TopicKey(name);
    CORDWOOD_ASSIGN_OR_RETURN(const bool done, Change({MetadataCompare{key, topic->revision}},
                                                      {Delete(key), Put(DeletedTopicKey(topic->id), EncodeTopic(*topic).SerializeAsString())}));
    if (!done) continue;
    return builder_.deleted_topics() > kDeletedTopicsMax ? ForgetDeletedTopics() : absl::OkStatus();
  }
  return Contended("topic");
}

// The listeners have removed the logs of every deleted topic by now, durably.
Status MetadataStrand::ForgetDeletedTopics() {
  if (builder_.deleted_topics() == 0) return absl::OkStatus();
  MetadataWrite write;
  write.kind = MetadataWrite::Kind::kDeleteRange;
  write.key = kDeletedPrefix;
  write.value = kDeletedEnd;
  return Change({}, {write}).status();
}

StatusOr<ProducerId> MetadataStrand::AllocateProducerId() {
  return Call<StatusOr<ProducerId>>([&]() -> StatusOr<ProducerId> {
    if (next_producer_id_ == producer_ids_end_) CORDWOOD_RETURN_IF_ERROR(ReserveProducerIds());
    return ProducerId(next_producer_id_++);
  });
}

Status MetadataStrand::ReserveProducerIds() {
  const std::string key(kProducerIdsKey);
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    CORDWOOD_ASSIGN_OR_RETURN(const RangeResult found, store_->Range(key, ""));
    cordwood::v1::ProducerIdState state;
    if (!found.entries.empty() && !state.ParseFromString(found.entries.front().value)) {
      return Error(Reason::kStorageError, "metadata " + key + ": not a ProducerIdState");
    }
    const std::int64_t first = std::max(state.next_producer_id(), kFirstProducerId);
    state.set_next_producer_id(first + kProducerIdBlock);
    const Revision revision = found.entries.empty() ? 0 : found.entries.front().mod_revision;
    CORDWOOD_ASSIGN_OR_RETURN(const bool done, Change({MetadataCompare{key, revision}}, {Put(key, state.SerializeAsString())}));
    if (!done) continue;
    next_producer_id_ = first;
    producer_ids_end_ = first + kProducerIdBlock;
    return absl::OkStatus();
  }
  return Contended("producer ids");
}

}  // namespace cordwood::broker
