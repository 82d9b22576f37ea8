// SPDX-License-Identifier: Apache-2.0
// Requests changed field by field, batches to be decoded with right lengths and CRCs; sometimes plain bytes.
#include "cordwood/v1/log.pb.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/mutations.h"

namespace cordwood::testing {
namespace {

template <class Message>
std::string Changed(std::string_view bytes, std::minstd_rand* random) {
  Message message;
  if (!message.ParsePartialFromArray(bytes.data(), static_cast<int>(bytes.size()))) message.Clear();
  MutateMessage(&message, random);
  return message.SerializePartialAsString();
}

// The batches that follow how they are to be decoded.
std::string ChangedBatches(std::string_view input, std::size_t size_max) {
  FuzzInput in(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
  in.Number();
  in.Below(4096);
  in.Flag();
  in.Number();
  std::string batches = Mutated(std::string(in.rest()), size_max);
  MendBatches(&batches);
  return std::string(input.substr(0, input.size() - in.rest().size())) + batches;
}

}  // namespace
}  // namespace cordwood::testing

std::size_t LLVMFuzzerCustomMutator(std::uint8_t* bytes, std::size_t size, std::size_t size_max, unsigned int seed) {
  using namespace cordwood;
  using namespace cordwood::testing;
  if (size < 2 || seed % 4 == 0) return LLVMFuzzerMutate(bytes, size, size_max);
  std::minstd_rand random(seed);
  const std::string_view rest(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  std::string input(1, static_cast<char>(bytes[0]));
  switch (bytes[0] % 3) {
    case 0: input += Changed<v1::ProduceRequest>(rest, &random); break;
    case 1: input += Changed<v1::FetchRequest>(rest, &random); break;
    case 2: input += ChangedBatches(rest, size_max - 1); break;
  }
  return Deliver(input, bytes, size_max);
}
