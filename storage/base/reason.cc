// SPDX-License-Identifier: Apache-2.0
// The table of reasons: name, what the caller should do, and whether it may conclude that nothing was appended.
#include "storage/base/reason.h"

#include <charconv>

#include "absl/strings/cord.h"
#include "storage/base/check.h"
#include "storage/base/strings.h"

namespace cordwood {
namespace {

struct Row {
  std::string_view name;  // empty: no such reason
  absl::StatusCode code = absl::StatusCode::kUnknown;
  Certainty certainty = Certainty::kIndefinite;
};

// Codes: InvalidArgument and Unimplemented: the request will never do. NotFound, AlreadyExists, OutOfRange: as they say.
// FailedPrecondition: somebody must act before a retry. Aborted: read again (metadata, log end, revision), then retry.
// Unavailable: the same request later or elsewhere. ResourceExhausted: later, or after an operator made room. DataLoss: bytes
// are damaged, on the way or at rest.
//
// Indefinite are the reasons that may be given after an append: the wait for replicas ran out, a write or sync failed half-way, or
// nobody knows; and DUPLICATE_SEQUENCE_NUMBER, whose records are in the log from an earlier attempt. POISONED and
// KAFKA_STORAGE_ERROR are given before an append as well, by a shard that was poisoned earlier or a log that cannot be opened: a
// reason has one certainty, the careful one. SHUTTING_DOWN, NOT_LEADER_OR_FOLLOWER and NOT_ENOUGH_REPLICAS are given only before
// the append; whoever must give up a batch that is already in the log answers REQUEST_TIMED_OUT.
constexpr Row Find(Reason reason) {
  using enum absl::StatusCode;
  constexpr Certainty kDefinite = Certainty::kDefinite, kIndefinite = Certainty::kIndefinite;
  switch (reason) {
    case Reason::kUnknownServerError: return {"UNKNOWN_SERVER_ERROR", kInternal, kIndefinite};
    case Reason::kNone: return {"NONE", kOk, kDefinite};
    case Reason::kOffsetOutOfRange: return {"OFFSET_OUT_OF_RANGE", kOutOfRange, kDefinite};
    case Reason::kCorruptMessage: return {"CORRUPT_MESSAGE", kDataLoss, kDefinite};
    case Reason::kUnknownTopicOrPartition: return {"UNKNOWN_TOPIC_OR_PARTITION", kNotFound, kDefinite};
    case Reason::kLeaderNotAvailable: return {"LEADER_NOT_AVAILABLE", kUnavailable, kDefinite};
    case Reason::kNotLeaderOrFollower: return {"NOT_LEADER_OR_FOLLOWER", kUnavailable, kDefinite};
    case Reason::kRequestTimedOut: return {"REQUEST_TIMED_OUT", kDeadlineExceeded, kIndefinite};
    case Reason::kMessageTooLarge: return {"MESSAGE_TOO_LARGE", kInvalidArgument, kDefinite};
    case Reason::kOffsetMetadataTooLarge: return {"OFFSET_METADATA_TOO_LARGE", kInvalidArgument, kDefinite};
    case Reason::kCoordinatorLoadInProgress: return {"COORDINATOR_LOAD_IN_PROGRESS", kUnavailable, kDefinite};
    case Reason::kCoordinatorNotAvailable: return {"COORDINATOR_NOT_AVAILABLE", kUnavailable, kDefinite};
    case Reason::kNotCoordinator: return {"NOT_COORDINATOR", kUnavailable, kDefinite};
    case Reason::kInvalidTopic: return {"INVALID_TOPIC_EXCEPTION", kInvalidArgument, kDefinite};
    case Reason::kRecordListTooLarge: return {"RECORD_LIST_TOO_LARGE", kInvalidArgument, kDefinite};
    case Reason::kNotEnoughReplicas: return {"NOT_ENOUGH_REPLICAS", kUnavailable, kDefinite};
    case Reason::kInvalidRequiredAcks: return {"INVALID_REQUIRED_ACKS", kInvalidArgument, kDefinite};
    case Reason::kInvalidGroupId: return {"INVALID_GROUP_ID", kInvalidArgument, kDefinite};
    case Reason::kUnknownMemberId: return {"UNKNOWN_MEMBER_ID", kFailedPrecondition, kDefinite};
    case Reason::kInvalidTimestamp: return {"INVALID_TIMESTAMP", kInvalidArgument, kDefinite};
    case Reason::kTopicAlreadyExists: return {"TOPIC_ALREADY_EXISTS", kAlreadyExists, kDefinite};
    case Reason::kInvalidPartitions: return {"INVALID_PARTITIONS", kInvalidArgument, kDefinite};
    case Reason::kInvalidReplicationFactor: return {"INVALID_REPLICATION_FACTOR", kInvalidArgument, kDefinite};
    case Reason::kInvalidConfig: return {"INVALID_CONFIG", kInvalidArgument, kDefinite};
    case Reason::kNotController: return {"NOT_CONTROLLER", kUnavailable, kDefinite};
    case Reason::kInvalidRequest: return {"INVALID_REQUEST", kInvalidArgument, kDefinite};
    case Reason::kOutOfOrderSequence: return {"OUT_OF_ORDER_SEQUENCE_NUMBER", kFailedPrecondition, kDefinite};
    case Reason::kDuplicateSequence: return {"DUPLICATE_SEQUENCE_NUMBER", kAlreadyExists, kIndefinite};
    case Reason::kInvalidProducerEpoch: return {"INVALID_PRODUCER_EPOCH", kFailedPrecondition, kDefinite};
    case Reason::kStorageError: return {"KAFKA_STORAGE_ERROR", kUnavailable, kIndefinite};
    case Reason::kUnknownProducerId: return {"UNKNOWN_PRODUCER_ID", kFailedPrecondition, kDefinite};
    case Reason::kNonEmptyGroup: return {"NON_EMPTY_GROUP", kFailedPrecondition, kDefinite};
    case Reason::kGroupIdNotFound: return {"GROUP_ID_NOT_FOUND", kNotFound, kDefinite};
    case Reason::kFencedLeaderEpoch: return {"FENCED_LEADER_EPOCH", kAborted, kDefinite};
    case Reason::kUnknownLeaderEpoch: return {"UNKNOWN_LEADER_EPOCH", kUnavailable, kDefinite};
    case Reason::kUnsupportedCompression: return {"UNSUPPORTED_COMPRESSION_TYPE", kInvalidArgument, kDefinite};
    case Reason::kGroupMaxSizeReached: return {"GROUP_MAX_SIZE_REACHED", kResourceExhausted, kDefinite};
    case Reason::kFencedInstanceId: return {"FENCED_INSTANCE_ID", kFailedPrecondition, kDefinite};
    case Reason::kThrottled: return {"THROTTLING_QUOTA_EXCEEDED", kResourceExhausted, kDefinite};
    case Reason::kInvalidRecord: return {"INVALID_RECORD", kInvalidArgument, kDefinite};
    case Reason::kUnknownTopicId: return {"UNKNOWN_TOPIC_ID", kNotFound, kDefinite};
    case Reason::kFencedMemberEpoch: return {"FENCED_MEMBER_EPOCH", kAborted, kDefinite};
    case Reason::kUnsupportedAssignor: return {"UNSUPPORTED_ASSIGNOR", kInvalidArgument, kDefinite};
    case Reason::kStaleMemberEpoch: return {"STALE_MEMBER_EPOCH", kAborted, kDefinite};
    case Reason::kInvalidRegularExpression: return {"INVALID_REGULAR_EXPRESSION", kInvalidArgument, kDefinite};
    case Reason::kDiskFull: return {"DISK_FULL", kResourceExhausted, kDefinite};
    case Reason::kExpectedOffsetMismatch: return {"EXPECTED_OFFSET_MISMATCH", kAborted, kDefinite};
    case Reason::kShuttingDown: return {"SHUTTING_DOWN", kUnavailable, kDefinite};
    case Reason::kLimitExceeded: return {"LIMIT_EXCEEDED", kResourceExhausted, kDefinite};
    case Reason::kMalformedRequest: return {"MALFORMED_REQUEST", kInvalidArgument, kDefinite};
    case Reason::kShardDamaged: return {"SHARD_DAMAGED", kDataLoss, kDefinite};
    case Reason::kDirectoryLocked: return {"DIRECTORY_LOCKED", kFailedPrecondition, kDefinite};
    case Reason::kFormatTooNew: return {"FORMAT_TOO_NEW", kFailedPrecondition, kDefinite};
    case Reason::kCompactionUnsupported: return {"COMPACTION_UNSUPPORTED", kUnimplemented, kDefinite};
    case Reason::kUnknownHandle: return {"UNKNOWN_HANDLE", kInvalidArgument, kDefinite};
    case Reason::kPoisoned: return {"POISONED", kUnavailable, kIndefinite};
    case Reason::kConflict: return {"CONFLICT", kAborted, kDefinite};
    case Reason::kStalePositionEpoch: return {"STALE_POSITION_EPOCH", kAborted, kDefinite};
  }
  return {};
}

constexpr absl::string_view kPayloadUrl = "cordwood/reason";  // the number in decimal

}  // namespace

std::string_view ReasonName(Reason reason) {
  const Row row = Find(reason);
  return row.name.empty() ? ReasonName(Reason::kUnknownServerError) : row.name;
}

Certainty CertaintyOf(Reason reason) { return Find(reason).certainty; }

absl::StatusCode CodeOf(Reason reason) { return Find(reason).code; }

std::optional<Reason> ReasonFromNumber(int number) {
  const Reason reason = static_cast<Reason>(number);
  if (Find(reason).name.empty()) return std::nullopt;
  return reason;
}

Status Error(Reason reason, std::string message) {
  CORDWOOD_CHECK(CodeOf(reason) != absl::StatusCode::kOk);
  Status status(CodeOf(reason), message);
  status.SetPayload(kPayloadUrl, absl::Cord(std::to_string(static_cast<int>(reason))));
  return status;
}

Reason ReasonOf(const Status& status) {
  if (status.ok()) return Reason::kNone;
  const auto payload = status.GetPayload(kPayloadUrl);
  if (!payload.has_value()) return Reason::kUnknownServerError;
  const std::string digits(*payload);
  int number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  const Reason reason = ReasonFromNumber(number).value_or(Reason::kUnknownServerError);
  return reason == Reason::kNone ? Reason::kUnknownServerError : reason;
}

Status Annotate(const Status& status, std::string_view context) {
  if (status.ok()) return status;
  std::string message(context);
  message += ": ";
  message += ToStd(status.message());
  Status annotated(status.code(), message);
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) { annotated.SetPayload(url, payload); });
  return annotated;
}

std::string MessageOf(const Status& status) { return std::string(status.message()); }

}  // namespace cordwood
