// SPDX-License-Identifier: Apache-2.0
// Mutations that keep what mutation alone would have to guess: lengths, CRCs, the shape of messages. For libFuzzer's builds only.
#pragma once

#include <google/protobuf/message.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>

namespace cordwood::testing {

// Random bytes of libFuzzer's, by its dictionaries and its table of recent comparisons; at most `size_max`.
std::string Mutated(std::string bytes, std::size_t size_max);

// Gives batches that stand back to back right lengths, magics and CRCs; what is too short for a header stays.
void MendBatches(std::string* bytes);

// Changes one to three fields somewhere in the message. `bytes` fields of the name "batches" are mended most of the time.
void MutateMessage(google::protobuf::Message* message, std::minstd_rand* random);

// Into libFuzzer's buffer; the new size.
std::size_t Deliver(const std::string& input, std::uint8_t* bytes, std::size_t size_max);

}  // namespace cordwood::testing

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* bytes, std::size_t size, std::size_t size_max);
// What a target with a mutator defines; libFuzzer's name.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* bytes, std::size_t size, std::size_t size_max, unsigned int seed);
