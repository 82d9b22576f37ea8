// SPDX-License-Identifier: Apache-2.0
// One of the coordinator's messages changed field by field, or said twice; sometimes plain bytes.
#include <vector>

#include "cordwood/v1/groups.pb.h"
#include "storage/base/coding.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/mutations.h"

namespace cordwood::testing {
namespace {

constexpr std::uint8_t kStepsOfOurs = 8;  // as member_answer_fuzz.cc reads them: 1 to 7

struct Step {
  std::uint8_t what = 0;
  std::uint16_t number = 0;
  std::string message;

  bool is_message() const { return what == 0 || what >= kStepsOfOurs; }
};

std::vector<Step> Split(FuzzInput* in) {
  std::vector<Step> steps;
  while (!in->done()) {
    Step step;
    step.what = in->Byte();
    step.number = in->Raw<std::uint16_t>();
    if (step.is_message()) step.message = std::string(in->Bytes(step.number));
    steps.push_back(std::move(step));
  }
  return steps;
}

std::string Joined(const std::vector<Step>& steps) {
  std::string input;
  for (const Step& step : steps) {
    input += static_cast<char>(step.what);
    const std::string message = step.message.substr(0, UINT16_MAX);
    AppendBigEndian(&input, step.is_message() ? static_cast<std::uint16_t>(message.size()) : step.number);
    input += message;
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
  std::vector<Step> steps = Split(&in);
  if (!MutateOneOf<v1::CoordinatorMessage>(&steps, [](const Step& step) { return step.is_message(); }, &random)) return LLVMFuzzerMutate(bytes, size, size_max);
  return Deliver(Joined(steps), bytes, size_max);
}
