// SPDX-License-Identifier: Apache-2.0
// Requests that the input describes: sound ones, and every kind of nonsense between the fields.
#pragma once

#include <string>

#include "cordwood/v1/admin.pb.h"
#include "cordwood/v1/log.pb.h"
#include "tests/fuzz/fuzz_input.h"

namespace cordwood::testing {

// Stands for the id of the input's topic, which only the broker knows.
inline constexpr char kTheTopicId[] = "?";

// On a stream partitions may go by handles, bound or not.
v1::ProduceRequest TakeProduceRequest(FuzzInput* in, bool stream, std::uint64_t seq);
v1::FetchRequest TakeFetchRequest(FuzzInput* in, bool stream, std::uint64_t seq);
v1::ListOffsetsRequest TakeListOffsets(FuzzInput* in);
v1::OffsetForLeaderEpochRequest TakeEpochQuery(FuzzInput* in);
v1::DeleteRecordsRequest TakeDeleteRecords(FuzzInput* in);
v1::CreateTopicRequest TakeCreateTopic(FuzzInput* in);
v1::AlterTopicConfigRequest TakeAlterConfig(FuzzInput* in);
// A method by its wire name, any of the broker's, some that are none. `*streaming`: by how it is declared.
std::string TakeMethod(FuzzInput* in, bool* streaming);

}  // namespace cordwood::testing
