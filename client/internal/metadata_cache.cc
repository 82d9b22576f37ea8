// SPDX-License-Identifier: Apache-2.0
// GetMetadata, remembered for a while.
#include "client/internal/metadata_cache.h"

#include <cstddef>
#include <memory>
#include <utility>

#include "cordwood/v1/log.grpc.pb.h"
#include "storage/base/clock.h"

namespace cordwood::client {

StatusOr<TopicImage> MetadataCache::Get(std::string_view topic, absl::Duration timeout) {
  const absl::Duration now = Clock::System().Monotonic();
  {
    MutexLock lock(mu_);
    const auto found = topics_.find(topic);
    if (found != topics_.end() && now - found->second.fetched < age_max_) return found->second.image;
  }
  CORDWOOD_ASSIGN_OR_RETURN(TopicImage image, Ask(topic, timeout));
  MutexLock lock(mu_);
  topics_[std::string(topic)] = Entry{image, now};
  return image;
}

StatusOr<TopicImage> MetadataCache::Refresh(std::string_view topic, absl::Duration timeout) {
  StatusOr<TopicImage> image = Ask(topic, timeout);
  MutexLock lock(mu_);
  const absl::Duration now = Clock::System().Monotonic();
  const auto found = topics_.find(topic);
  if (image.ok()) {
    topics_[std::string(topic)] = Entry{*image, now};
  } else if (found != topics_.end() && IsTransportError(image.status())) {
    found->second.fetched = now;
  }
  return image;
}

void MetadataCache::Forget(std::string_view topic) {
  MutexLock lock(mu_);
  const auto found = topics_.find(topic);
  if (found != topics_.end()) topics_.erase(found);
}

StatusOr<TopicImage> MetadataCache::Ask(std::string_view topic, absl::Duration timeout) {
  v1::GetMetadataRequest request;
  request.add_topics(std::string(topic));
  v1::GetMetadataResponse response;
  Status status;
  for (std::size_t tried = 0; tried < connection_.addresses().size(); ++tried) {
    status = CallUnary<v1::Log>(connection_, &v1::Log::Stub::GetMetadata, request, &response, timeout);  // moves on to the next address itself
    if (status.code() != absl::StatusCode::kUnavailable) break;
  }
  CORDWOOD_RETURN_IF_ERROR(status);
  if (response.topics_size() != 1) return Error(Reason::kUnknownServerError, "GetMetadata answered about another number of topics");
  const v1::TopicMetadata& answer = response.topics(0);
  CORDWOOD_RETURN_IF_ERROR(FromEntryError(answer.error()));
  TopicImage image{answer.name(), {}, {}};
  if (!Uuid::FromBytes(answer.topic_id(), &image.id) || answer.partitions_size() == 0) {
    return Error(Reason::kUnknownServerError, "GetMetadata answered without a topic id or partitions");
  }
  for (const v1::PartitionMetadata& partition : answer.partitions()) image.leaders.emplace_back(partition.leader());
  return image;
}

}  // namespace cordwood::client
