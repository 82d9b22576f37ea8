// SPDX-License-Identifier: Apache-2.0
// groups.proto between gRPC's bytes and the coordinator's structs.
#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <string_view>
#include <vector>

#include "broker/groups/coordinator/group_input.h"
#include "broker/groups/coordinator/group_view.h"
#include "broker/metadata/cluster_image.h"
#include "cordwood/v1/groups.pb.h"

namespace cordwood::broker {

inline constexpr std::size_t kGroupMessageBytesMax = 1024 * 1024;
inline constexpr int kCommitEntriesMax = 10'000;
inline constexpr std::size_t kFetchOffsetsMax = 10'000;  // partitions, or topics as a whole, in one request
inline constexpr std::int64_t kDefaultRebalanceTimeoutMs = 300'000;

// MALFORMED_REQUEST for bytes that are no such message.
Status ParseMessage(grpc::ByteBuffer bytes, google::protobuf::MessageLite& message);
grpc::ByteBuffer SerializeMessage(const google::protobuf::MessageLite& message);

// INVALID_TOPIC_EXCEPTION; INVALID_REQUEST names what is out of bounds: an id that is not 16 bytes, a partition below 0, too many entries.
StatusOr<JoinGroup> JoinOf(const v1::JoinRequest& request, StreamId stream);
StatusOr<std::vector<TopicPartition>> PartitionsOf(const v1::TopicPartitionList& list);
StatusOr<std::vector<std::pair<TopicPartition, MemberProgress>>> ProgressOf(const v1::Heartbeat& heartbeat);
StatusOr<CommitOffsets> CommitOf(const v1::OffsetCommit& commit, StreamId stream);
StatusOr<ConfirmPositions> ConfirmationOf(const v1::PositionsTaken& taken, StreamId stream);
StatusOr<GroupSubscription> SubscriptionOf(const v1::Subscription& subscription);

// Of a unary commit: what can be said of an entry without the group. `places` has the index in the request of each entry of the event.
StatusOr<CommitOffsets> CommitOf(const v1::CommitOffsetsRequest& request, const ClusterImage& image, std::vector<std::uint32_t>& places,
                                 v1::CommitOffsetsResponse& response);
void AddCommitError(std::uint32_t entry, const Status& status, google::protobuf::RepeatedPtrField<v1::CommitError>& errors);
// RECORD_LIST_TOO_LARGE; INVALID_REQUEST: something is named twice. So an answer is not longer than what is asked about.
Status CheckAsked(const v1::FetchOffsetsRequest& request);
// What the group is asked about: no topic that is not there.
AskedOffsets AskedOf(const v1::FetchOffsetsRequest& request, const ClusterImage& image);
// `offsets`: of what AskedOf() gave with this image.
v1::FetchOffsetsResponse AnswerOf(const v1::FetchOffsetsRequest& request, const FetchedOffsets& offsets, const ClusterImage& image);

// Of everything but EndStream. `interval_ms`, `session_ms`: for Welcome.
v1::CoordinatorMessage MessageOf(const StreamTell& tell, const TopicView& topics, std::int64_t interval_ms, std::int64_t session_ms);

}  // namespace cordwood::broker
