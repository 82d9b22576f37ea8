// SPDX-License-Identifier: Apache-2.0
// Why something failed, as a number: the broker's reasons, and one for failures on the way to it.
#pragma once

namespace cordwood {

// Below 1000 Kafka's numbers, from 1000 on Cordwood's own, the same as on the wire; docs/reference/error-reasons.md says what each means
// and what to do. Newer brokers may send a number that is not here: kUnknownServerError, with the number in the message.
enum class Errc : int {
  kTransport = -100,  // the broker could not be reached or the connection broke: no reason of a broker
  kUnknownServerError = -1,
  kNone = 0,  // never in a Failure
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
  kDiskFull = 1000,  // the broker has too little room for this write; reads and deletes go on
  kExpectedOffsetMismatch = 1001,  // conditional append: the log end is elsewhere
  kShuttingDown = 1002,  // the broker, or this producer or consumer, is closed, or this process is a fork
  kLimitExceeded = 1003,  // a configured maximum (partitions, producers, topics) is reached
  kMalformedRequest = 1004,  // bytes that are no message of this method: the library and the broker do not match
  kShardDamaged = 1005,  // lost what it had acknowledged, and refuses to go on
  kDirectoryLocked = 1006,  // a living broker holds the data directory
  kFormatTooNew = 1007,  // FORMAT names a major or minor this build does not know
  kCompactionUnsupported = 1008,  // of brokers that knew no compacted topics
  kUnknownHandle = 1009,  // a stream names a partition handle that it never bound
  kPoisoned = 1010,  // a write or sync of this shard failed; it takes no writes until restart
  kConflict = 1011,  // compare-and-swap found another revision
  kStalePositionEpoch = 1012,  // a reset of the group came between
};

}  // namespace cordwood
