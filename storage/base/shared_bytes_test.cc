// SPDX-License-Identifier: Apache-2.0
// Facts about refcounted bytes; AddressSanitizer finds a wrong count.
#include "storage/base/shared_bytes.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <thread>
#include <vector>

namespace cordwood {
namespace {

TEST(SharedBytesTest, EmptyOneHoldsNothing) {
  const SharedBytes none;
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(none.view(), "");
  EXPECT_FALSE(none.unique());
  EXPECT_TRUE(SharedBytes::CopyOf("").empty());
}

TEST(SharedBytesTest, CopiesShareTheBytes) {
  SharedBytes first = SharedBytes::CopyOf("hello");
  EXPECT_TRUE(first.unique());
  const SharedBytes second = first;
  EXPECT_EQ(second.view().data(), first.view().data());
  EXPECT_FALSE(first.unique());
}

TEST(SharedBytesTest, OwnerWritesBeforeSharing) {
  SharedBytes bytes = SharedBytes::Allocate(3);
  bytes.mutable_data()[0] = 'a';
  bytes.mutable_data()[1] = 'b';
  bytes.mutable_data()[2] = 'c';
  EXPECT_EQ(bytes.view(), "abc");
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(bytes.view().data()) % 16, 0u);
}

TEST(SharedBytesTest, AssignmentDropsTheOldBytes) {
  SharedBytes a = SharedBytes::CopyOf("a");
  const SharedBytes keep = a;
  a = SharedBytes::CopyOf("b");
  EXPECT_EQ(a.view(), "b");
  EXPECT_TRUE(keep.unique());
  SharedBytes& same = a;
  a = same;
  EXPECT_EQ(a.view(), "b");
  EXPECT_TRUE(a.unique());
}

TEST(SharedBytesTest, ReleasedReferenceKeepsTheBytesUntilItIsDropped) {
  SharedBytes kept = SharedBytes::CopyOf("kept");
  SharedBytes given = kept;
  void* released = std::move(given).Release();
  EXPECT_FALSE(kept.unique());
  SharedBytes::UnrefReleased(released);
  EXPECT_TRUE(kept.unique());
  SharedBytes::UnrefReleased(nullptr);
}

TEST(SharedBytesTest, ManyThreadsMayCopyAndDrop) {
  SharedBytes bytes = SharedBytes::CopyOf("shared");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([bytes] {
      for (int i = 0; i < 10'000; ++i) {
        const SharedBytes copy = bytes;
        ASSERT_EQ(copy.size(), 6u);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  threads.clear();
  EXPECT_TRUE(bytes.unique());
}

}  // namespace
}  // namespace cordwood
