// SPDX-License-Identifier: Apache-2.0
// One of the answers changed field by field, or answered twice; sometimes plain bytes.
#include <vector>

#include "cordwood/v1/log.pb.h"
#include "storage/base/coding.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/mutations.h"

namespace cordwood::testing {
namespace {

// As fetch_answer_fuzz.cc reads them.
struct Event {
  std::string bytes;    // but the message
  std::string message;
  bool answer = false;
};

std::vector<Event> Split(FuzzInput* in) {
  std::vector<Event> events;
  while (!in->done()) {
    const std::string_view before = in->rest();
    Event event;
    const std::uint8_t what = in->Byte();
    if (what == 1) {
      in->Byte();
      in->Number();
    } else if (what == 4 || what == 5) {
      in->Byte();
    } else if (what != 2) {
      event.answer = true;
      event.message = std::string(in->Bytes(what == 0 ? in->rest().size() : in->Raw<std::uint16_t>()));
    }
    if (!event.answer) event.bytes = std::string(before.substr(0, before.size() - in->rest().size()));
    events.push_back(std::move(event));
  }
  return events;
}

std::string Joined(const std::vector<Event>& events) {
  std::string input;
  for (const Event& event : events) {
    input += event.bytes;
    if (!event.answer) continue;
    input += '\3';
    AppendBigEndian(&input, static_cast<std::uint16_t>(event.message.size()));
    input += event.message.substr(0, UINT16_MAX);
  }
  return input;
}

}  // namespace
}  // namespace cordwood::testing

std::size_t LLVMFuzzerCustomMutator(std::uint8_t* bytes, std::size_t size, std::size_t size_max, unsigned int seed) {
  using namespace cordwood;
  using namespace cordwood::testing;
  if (seed % 4 == 0) return LLVMFuzzerMutate(bytes, size, size_max);
  std::minstd_rand random(seed);
  FuzzInput in(bytes, size);
  std::vector<Event> events = Split(&in);
  if (!MutateOneOf<v1::FetchResponse>(&events, [](const Event& event) { return event.answer; }, &random)) return LLVMFuzzerMutate(bytes, size, size_max);
  return Deliver(Joined(events), bytes, size_max);
}
