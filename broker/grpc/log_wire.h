// SPDX-License-Identifier: Apache-2.0
// Produce and Fetch between gRPC's bytes and the handlers' structs. Batches pass by without becoming protobuf strings.
#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "broker/handlers/fetch_request.h"
#include "broker/handlers/produce_handler.h"
#include "broker/handlers/reader_pool.h"
#include "storage/base/reuse/bytes_pool.h"

namespace cordwood::broker {

// Accepts what the generated parser accepts: any order of fields, the last one of a field counts, unknown ones are skipped. Each batch is copied once,
// into a buffer of its own, from `buffers`. Plain records become one uncompressed batch, stamped `now_ms` where they bring no time.
// MALFORMED_REQUEST for bytes that are no ProduceRequest, RECORD_LIST_TOO_LARGE above kProduceEntriesMax. What is wrong with one entry only is in it.
// `request` may hold an earlier one: its vectors are used again.
Status ParseProduceRequest(grpc::ByteBuffer message, std::int64_t now_ms, BytesPool& buffers, ProduceRequest* request);
// MALFORMED_REQUEST, RECORD_LIST_TOO_LARGE above kFetchPartitionsMax, INVALID_REQUEST for values out of bounds.
StatusOr<FetchRequest> ParseFetchRequest(grpc::ByteBuffer message);

// Encodes the answers of one thread, in memory that it keeps from one to the next.
class AnswerEncoder {
 public:
  AnswerEncoder();
  ~AnswerEncoder();

  // One answer for several requests. `window_bytes` 0: not said.
  grpc::ByteBuffer Encode(std::span<const ProduceOutcome> outcomes, std::size_t window_bytes);
  // Large pieces leave as references to their shared bytes, released on one of gRPC's threads.
  grpc::ByteBuffer Encode(const FetchAnswer& answer);

 private:
  struct Scratch;
  std::unique_ptr<Scratch> scratch_;
};

inline constexpr std::size_t kDecodedBatchBytesMax = 16 * 1024 * 1024;  // decompressed; twice what a batch may have as it is sent
inline constexpr std::size_t kDecodedHeadersMax = 10'000;              // of a record

// A RecordEncoder: FetchResult's `records` fields, ready to be sent. CORRUPT_MESSAGE for a batch that cannot be decoded or is beyond these two: but not before what stands in
// front of it has been given. Whatever a batch claims or explodes to, less than 100 MiB are held at a time.
StatusOr<EncodedRecords> EncodeRecords(std::string_view batches, Offset from, std::size_t bytes_max);

}  // namespace cordwood::broker
