// SPDX-License-Identifier: Apache-2.0
#include "storage/base/reuse/free_list.h"

#include <gtest/gtest.h>

namespace cordwood {
namespace {

TEST(FreeListTest, GivesBackWhatItKept) {
  FreeList<int> list(2);
  EXPECT_EQ(list.Take(), nullptr);
  auto object = std::make_unique<int>(7);
  const int* address = object.get();
  list.Give(std::move(object));
  EXPECT_EQ(list.Take().get(), address);
  EXPECT_EQ(list.Take(), nullptr);
}

TEST(FreeListTest, KeepsNoMoreThanItsBound) {
  FreeList<int> list(2);
  for (int i = 0; i < 5; ++i) list.Give(std::make_unique<int>(i));
  EXPECT_EQ(list.kept(), 2u);
}

}  // namespace
}  // namespace cordwood
