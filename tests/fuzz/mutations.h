// SPDX-License-Identifier: Apache-2.0
// Mutations that keep what mutation alone would have to guess: lengths, CRCs, the shape of messages. For libFuzzer's builds only.
#pragma once

#include <google/protobuf/message.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace cordwood::testing {

// Random bytes of libFuzzer's, by its dictionaries and its table of recent comparisons; at most `size_max`.
std::string Mutated(std::string bytes, std::size_t size_max);

// Gives batches that stand back to back right lengths, magics and CRCs; what is too short for a header stays.
void MendBatches(std::string* bytes);

// Changes one to three fields somewhere in the message. `bytes` fields of the name "batches" are mended most of the time.
void MutateMessage(google::protobuf::Message* message, std::minstd_rand* random);

// Changes one of the messages among an input's steps, and sometimes says it twice. `holds_message` tells which steps have one, in their `message`. False: none has.
template <class Message, class Step, class HoldsMessage>
bool MutateOneOf(std::vector<Step>* steps, HoldsMessage holds_message, std::minstd_rand* random) {
  std::vector<std::size_t> messages;
  for (std::size_t i = 0; i < steps->size(); ++i) {
    if (holds_message((*steps)[i])) messages.push_back(i);
  }
  if (messages.empty()) return false;
  const std::size_t chosen = messages[(*random)() % messages.size()];
  if ((*random)() % 8 == 0) steps->insert(steps->begin() + static_cast<std::ptrdiff_t>((*random)() % steps->size()), Step((*steps)[chosen]));
  Message message;
  if (!message.ParsePartialFromString((*steps)[chosen].message)) message.Clear();
  MutateMessage(&message, random);
  (*steps)[chosen].message = message.SerializePartialAsString();
  return true;
}

// Into libFuzzer's buffer; the new size.
std::size_t Deliver(const std::string& input, std::uint8_t* bytes, std::size_t size_max);

}  // namespace cordwood::testing

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* bytes, std::size_t size, std::size_t size_max);
// What a target with a mutator defines; libFuzzer's name.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* bytes, std::size_t size, std::size_t size_max, unsigned int seed);
