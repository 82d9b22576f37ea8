// SPDX-License-Identifier: Apache-2.0
// Batches by their layout, messages by reflection.
#include "tests/fuzz/mutations.h"

#include <algorithm>
#include <vector>

#include "storage/base/coding.h"
#include "storage/record/record_batch.h"
#include "tests/fuzz/built_batch.h"

namespace cordwood::testing {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr std::size_t kFieldBytesMax = 4096;

std::size_t Below(std::minstd_rand* random, std::size_t n) { return (*random)() % n; }

std::int64_t Number(std::minstd_rand* random) {
  constexpr std::int64_t kEdges[] = {0, 1, 2, -1, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, UINT32_MAX, 100, 1000, 65'536, 1 << 20};
  return Below(random, 4) == 0 ? static_cast<std::int64_t>((*random)()) : kEdges[Below(random, std::size(kEdges))];
}

// Every message in the tree.
void Collect(Message* message, std::vector<Message*>* all) {
  all->push_back(message);
  const Reflection& reflection = *message->GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(*message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field->is_repeated()) {
      Collect(reflection.MutableMessage(message, field), all);
      continue;
    }
    for (int i = 0; i < reflection.FieldSize(*message, field); ++i) Collect(reflection.MutableRepeatedMessage(message, field, i), all);
  }
}

std::string ChangedText(const FieldDescriptor& field, const std::string& text, std::minstd_rand* random) {
  std::string changed = Mutated(text, std::max(text.size() + 64, kFieldBytesMax));
  if (field.name() == "batches" && Below(random, 8) != 0) MendBatches(&changed);
  return changed;
}

void SetSingle(Message* message, const FieldDescriptor* field, std::minstd_rand* random) {
  const Reflection& reflection = *message->GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32: return reflection.SetInt32(message, field, static_cast<std::int32_t>(Number(random)));
    case FieldDescriptor::CPPTYPE_INT64: return reflection.SetInt64(message, field, Number(random));
    case FieldDescriptor::CPPTYPE_UINT32: return reflection.SetUInt32(message, field, static_cast<std::uint32_t>(Number(random)));
    case FieldDescriptor::CPPTYPE_UINT64: return reflection.SetUInt64(message, field, static_cast<std::uint64_t>(Number(random)));
    case FieldDescriptor::CPPTYPE_BOOL: return reflection.SetBool(message, field, Below(random, 2) == 0);
    case FieldDescriptor::CPPTYPE_ENUM: return reflection.SetEnumValue(message, field, static_cast<int>(Below(random, 8) == 0 ? Number(random) : Below(random, 6)));
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection.SetString(message, field, ChangedText(*field, reflection.GetString(*message, field), random));
    case FieldDescriptor::CPPTYPE_MESSAGE: reflection.MutableMessage(message, field); return;
    default: return;  // the protocol has no floating point
  }
}

void ChangeRepeated(Message* message, const FieldDescriptor* field, std::minstd_rand* random) {
  const Reflection& reflection = *message->GetReflection();
  const int size = reflection.FieldSize(*message, field);
  const std::size_t how = Below(random, 4);
  if (size > 0 && how == 0) return reflection.RemoveLast(message, field);
  if (size > 1 && how == 1) {
    const auto at = [&] { return static_cast<int>(Below(random, static_cast<std::size_t>(size))); };
    return reflection.SwapElements(message, field, at(), at());
  }
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      Message* added = reflection.AddMessage(message, field);
      if (size > 0 && how == 2) added->CopyFrom(reflection.GetRepeatedMessage(*message, field, static_cast<int>(Below(random, static_cast<std::size_t>(size)))));
      return;
    }
    case FieldDescriptor::CPPTYPE_INT64: return reflection.AddInt64(message, field, Number(random));
    case FieldDescriptor::CPPTYPE_INT32: return reflection.AddInt32(message, field, static_cast<std::int32_t>(Number(random)));
    case FieldDescriptor::CPPTYPE_STRING: return reflection.AddString(message, field, Mutated("", 64));
    default: return;
  }
}

void ChangeField(Message* message, std::minstd_rand* random) {
  const auto& descriptor = *message->GetDescriptor();
  if (descriptor.field_count() == 0) return;
  const FieldDescriptor* field = descriptor.field(static_cast<int>(Below(random, static_cast<std::size_t>(descriptor.field_count()))));
  if (field->is_repeated()) return ChangeRepeated(message, field, random);
  if (Below(random, 6) == 0) return message->GetReflection()->ClearField(message, field);
  SetSingle(message, field, random);
}

}  // namespace

std::string Mutated(std::string bytes, std::size_t size_max) {
  const std::size_t size = bytes.size();
  bytes.resize(std::max(size_max, size));
  bytes.resize(LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(bytes.data()), size, bytes.size()));
  return bytes;
}

void MendBatches(std::string* bytes) {
  for (std::size_t at = 0; bytes->size() - at >= kBatchHeaderBytes;) {
    char* batch = bytes->data() + at;
    const std::size_t left = bytes->size() - at;
    const std::int64_t said = std::int64_t{LoadBigEndian<std::int32_t>(batch + 8)} + static_cast<std::int64_t>(kBatchLengthPrefixBytes);
    const bool fits = said >= static_cast<std::int64_t>(kBatchHeaderBytes) && said <= static_cast<std::int64_t>(left);
    const std::size_t size = fits ? static_cast<std::size_t>(said) : left;
    StoreBigEndian(batch + 8, static_cast<std::int32_t>(size - kBatchLengthPrefixBytes));
    batch[16] = 2;
    StoreBigEndian(batch + 17, Crc32c(std::string_view(batch, size).substr(kBatchCrcStart)));
    at += size;
  }
}

void MutateMessage(Message* message, std::minstd_rand* random) {
  for (std::size_t left = 1 + Below(random, 3); left > 0; --left) {
    std::vector<Message*> all;
    Collect(message, &all);
    ChangeField(all[Below(random, all.size())], random);
  }
}

std::size_t Deliver(const std::string& input, std::uint8_t* bytes, std::size_t size_max) {
  const std::size_t size = std::min(input.size(), size_max);
  std::copy_n(input.begin(), size, bytes);
  return size;
}

}  // namespace cordwood::testing
