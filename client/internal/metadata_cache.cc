// SPDX-License-Identifier: Apache-2.0
// GetMetadata, remembered for a while.
#include "client/internal/metadata_cache.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>

#include "cordwood/v1/log.grpc.pb.h"
#include "storage/base/clock.h"
#include "storage/base/names.h"

namespace cordwood::client {

namespace {

StatusOr<TopicImage> ToImage(const v1::TopicMetadata& answer) {
  CORDWOOD_RETURN_IF_ERROR(FromEntryError(answer.error()));
  TopicImage image{answer.name(), {}, {}};
  if (!Uuid::FromBytes(answer.topic_id(), &image.id) || answer.partitions_size() == 0) {
    return Error(Reason::kUnknownServerError, "GetMetadata answered without a topic id or partitions");
  }
  for (const v1::PartitionMetadata& partition : answer.partitions()) image.leaders.emplace_back(partition.leader());
  return image;
}

}  // namespace

StatusOr<TopicImage> MetadataCache::Get(std::string_view topic, absl::Duration timeout) {
  const absl::Duration now = Clock::System().Monotonic();
  {
    MutexLock lock(mu_);
    const auto found = topics_.find(topic);
    if (found != topics_.end() && now - found->second.fetched < age_max_) return found->second.image;
  }
  CORDWOOD_ASSIGN_OR_RETURN(const auto images, Ask({std::string(topic)}, timeout, nullptr));
  MutexLock lock(mu_);
  if (images.front().ok()) topics_[std::string(topic)] = Entry{*images.front(), now};
  return images.front();
}

StatusOr<TopicImage> MetadataCache::Refresh(std::string_view topic, absl::Duration timeout) {
  CORDWOOD_ASSIGN_OR_RETURN(const auto images, Refresh(std::vector{std::string(topic)}, timeout));
  return images.front();
}

StatusOr<std::vector<StatusOr<TopicImage>>> MetadataCache::Refresh(const std::vector<std::string>& topics, absl::Duration timeout, Cancellation* cancellation) {
  auto images = Ask(topics, timeout, cancellation);
  MutexLock lock(mu_);
  const absl::Duration now = Clock::System().Monotonic();
  for (std::size_t i = 0; i < topics.size(); ++i) {
    const auto found = topics_.find(topics[i]);
    if (!images.ok()) {
      const bool asked = images.status().code() != absl::StatusCode::kCancelled;
      if (asked && found != topics_.end() && IsTransportError(images.status())) found->second.fetched = now;
    } else if ((*images)[i].ok()) {
      topics_[topics[i]] = Entry{*(*images)[i], now};
    } else if (found != topics_.end()) {
      topics_.erase(found);
    }
  }
  return images;
}

void MetadataCache::Forget(std::string_view topic) {
  MutexLock lock(mu_);
  const auto found = topics_.find(topic);
  if (found != topics_.end()) topics_.erase(found);
}

StatusOr<std::vector<StatusOr<TopicImage>>> MetadataCache::Ask(const std::vector<std::string>& topics, absl::Duration timeout, Cancellation* cancellation) {
  v1::GetMetadataRequest request;
  for (const std::string& topic : topics) {
    CORDWOOD_RETURN_IF_ERROR(CheckTopicName(topic));
    request.add_topics(topic);
  }
  v1::GetMetadataResponse response;
  absl::Duration left = std::min(timeout, connection_.options().request_timeout);
  const absl::Duration deadline = Clock::System().Monotonic() + left;
  Status status;
  for (std::size_t tried = 0; tried < connection_.addresses().size() && (tried == 0 || left > absl::ZeroDuration()); ++tried) {
    status = CallUnary<v1::Log>(connection_, &v1::Log::Stub::GetMetadata, request, &response, left, cancellation);  // moves on to the next address itself
    if (status.code() != absl::StatusCode::kUnavailable) break;
    left = deadline - Clock::System().Monotonic();
  }
  CORDWOOD_RETURN_IF_ERROR(status);
  if (response.topics_size() != request.topics_size()) return Error(Reason::kUnknownServerError, "GetMetadata answered about another number of topics");
  std::vector<StatusOr<TopicImage>> images;
  for (const v1::TopicMetadata& answer : response.topics()) images.push_back(ToImage(answer));
  return images;
}

}  // namespace cordwood::client
