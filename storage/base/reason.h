// SPDX-License-Identifier: Apache-2.0
// Why something failed: Kafka's error numbers and our own, and the absl::Status that carries one.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace cordwood {

using absl::Status;
using absl::StatusOr;

// Numbers below 1000 are Kafka's (org.apache.kafka.common.protocol.Errors), ours begin at 1000.
// persisted and on the wire: never renumber. proto/cordwood/v1/error.proto holds the same list; a test compares them.
enum class Reason : int {
  kUnknownServerError = -1,
  kNone = 0,
  kOffsetOutOfRange = 1,
  kCorruptMessage = 2,
  kUnknownTopicOrPartition = 3,
  kLeaderNotAvailable = 5,
  kNotLeaderOrFollower = 6,
  kRequestTimedOut = 7,
  kMessageTooLarge = 10,
  kOffsetMetadataTooLarge = 12,
  kCoordinatorLoadInProgress = 14,
  kCoordinatorNotAvailable = 15,
  kNotCoordinator = 16,
  kInvalidTopic = 17,
  kRecordListTooLarge = 18,
  kNotEnoughReplicas = 19,
  kInvalidRequiredAcks = 21,
  kInvalidGroupId = 24,
  kUnknownMemberId = 25,
  kInvalidTimestamp = 32,
  kTopicAlreadyExists = 36,
  kInvalidPartitions = 37,
  kInvalidReplicationFactor = 38,
  kInvalidConfig = 40,
  kNotController = 41,
  kInvalidRequest = 42,
  kOutOfOrderSequence = 45,
  kDuplicateSequence = 46,
  kInvalidProducerEpoch = 47,
  kStorageError = 56,
  kUnknownProducerId = 59,
  kNonEmptyGroup = 68,
  kGroupIdNotFound = 69,
  kFencedLeaderEpoch = 74,
  kUnknownLeaderEpoch = 75,
  kUnsupportedCompression = 76,
  kGroupMaxSizeReached = 81,
  kFencedInstanceId = 82,
  kThrottled = 89,
  kInvalidRecord = 87,
  kUnknownTopicId = 100,
  kFencedMemberEpoch = 110,
  kUnsupportedAssignor = 112,
  kStaleMemberEpoch = 113,
  kInvalidRegularExpression = 128,
  // Cordwood's own.
  kDiskFull = 1000,            // the disk ladder refuses this write; reads and deletes go on
  kExpectedOffsetMismatch = 1001,  // conditional append: the log end is elsewhere
  kShuttingDown = 1002,
  kLimitExceeded = 1003,       // a configured maximum (partitions, producers, topics) is reached
  kMalformedRequest = 1004,    // bytes that are no message of this method
  kShardDamaged = 1005,        // recovered below what was synced: refused by name
  kDirectoryLocked = 1006,     // a living broker holds the data directory
  kFormatTooNew = 1007,        // FORMAT names a major or minor this build does not know
  kCompactionUnsupported = 1008,  // of brokers that knew no compacted topics
  kUnknownHandle = 1009,       // a stream names a partition handle that it never bound
  kPoisoned = 1010,            // a write or sync of this shard failed; it takes no writes until restart
  kConflict = 1011,            // compare-and-swap found another revision
  kStalePositionEpoch = 1012,  // a reset of the group came between
};

// Whether the caller may conclude that nothing was appended.
enum class Certainty { kDefinite, kIndefinite };

// Upper snake case, as in the proto enum and in Kafka ("OFFSET_OUT_OF_RANGE").
std::string_view ReasonName(Reason reason);
Certainty CertaintyOf(Reason reason);
// What the caller should do, as a canonical code.
absl::StatusCode CodeOf(Reason reason);
// The reason with this number, or nullopt for a number we do not know.
std::optional<Reason> ReasonFromNumber(int number);

// A status with the reason's code and the reason attached. `message` says what happened and where, in one line.
Status Error(Reason reason, std::string message);
// kNone for OK; for a status that nobody gave a reason: kUnknownServerError.
Reason ReasonOf(const Status& status);
// The same status (code, reason) with "context: " before its message; OK stays OK.
Status Annotate(const Status& status, std::string_view context);
std::string MessageOf(const Status& status);

}  // namespace cordwood

#define CORDWOOD_RETURN_IF_ERROR(expr)                       \
  do {                                                       \
    if (::absl::Status cordwood_status = (expr); !cordwood_status.ok()) return cordwood_status; \
  } while (false)

#define CORDWOOD_CONCAT_INNER(a, b) a##b
#define CORDWOOD_CONCAT(a, b) CORDWOOD_CONCAT_INNER(a, b)
#define CORDWOOD_ASSIGN_OR_RETURN(lhs, expr) CORDWOOD_ASSIGN_OR_RETURN_AS(CORDWOOD_CONCAT(statusor_, __LINE__), lhs, expr)
#define CORDWOOD_ASSIGN_OR_RETURN_AS(tmp, lhs, expr) \
  auto tmp = (expr);                                 \
  if (!tmp.ok()) return std::move(tmp).status();     \
  lhs = std::move(tmp).value()
