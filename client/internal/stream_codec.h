// SPDX-License-Identifier: Apache-2.0
// ProduceRequest and FetchResponse as bytes, so that batches are neither copied out nor in.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "client/internal/call.h"
#include "client/internal/produce_core.h"
#include "cordwood/v1/log.pb.h"
#include "storage/base/reason.h"

namespace cordwood::client {

// How an entry names its partition on a stream: the names bind the handle at first use, later the handle alone is enough.
struct EntryName {
  std::uint32_t handle = 0;      // 0: none, names each time
  std::string_view topic_id;     // 16 bytes, or empty once the handle is bound
  std::int32_t partition = 0;    // with topic_id
};

// names[i] is of message.entries[i]. Scalars first, each entry's batches last, as their own pieces.
OutgoingMessage EncodeProduceRequest(const ProduceMessage& message, const std::vector<EntryName>& names, Acks acks, std::int32_t timeout_ms);

// A FetchResponse of which each result's batches stay where they are, in `bytes`.
struct FetchResultView {
  v1::FetchResult fields;        // all but `batches`
  std::string_view batches;
};
struct FetchResponseView {
  std::uint64_t seq = 0;
  std::int32_t throttle_ms = 0;
  std::vector<FetchResultView> results;
};
// Any order of fields, unknown fields skipped. MALFORMED_REQUEST.
StatusOr<FetchResponseView> ParseFetchResponse(std::string_view bytes);

}  // namespace cordwood::client
