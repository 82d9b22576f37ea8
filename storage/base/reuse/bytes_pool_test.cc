// SPDX-License-Identifier: Apache-2.0
#include "storage/base/reuse/bytes_pool.h"

#include <gtest/gtest.h>

#include <utility>

namespace cordwood {
namespace {

TEST(BytesPoolTest, ABufferIsUsedAgainForItsSize) {
  BytesPool pool;
  SharedBytes first = pool.Take(1000);
  const char* const address = first.view().data();
  pool.Give(std::move(first));
  const SharedBytes second = pool.Take(980);
  EXPECT_EQ(second.view().data(), address);
  EXPECT_EQ(second.size(), 980u);
  EXPECT_EQ(pool.kept_bytes(), 0u);
}

TEST(BytesPoolTest, ABufferThatSomebodyElseHoldsIsLeftToThem) {
  BytesPool pool;
  SharedBytes bytes = pool.Take(1000);
  const SharedBytes other = bytes;
  pool.Give(std::move(bytes));
  EXPECT_EQ(pool.kept_bytes(), 0u);
  EXPECT_TRUE(other.unique());
}

TEST(BytesPoolTest, EverySizeFitsAndIsAtMostAnEighthTooLarge) {
  BytesPool pool;
  for (std::size_t size = 1; size < 2 * BytesPool::kSizeMax; size += 1 + size / 97) {
    const SharedBytes bytes = pool.Take(size);
    ASSERT_EQ(bytes.size(), size);
    ASSERT_GE(bytes.capacity(), size);
    ASSERT_LE(bytes.capacity(), size + size / 8 + 64);
  }
}

TEST(BytesPoolTest, WhatATakenBufferGivesBackFitsTheSameSizeAgain) {
  for (std::size_t size = BytesPool::kSizeMin; size <= BytesPool::kSizeMax; size += 1 + size / 97) {
    BytesPool pool;
    pool.Give(pool.Take(size));
    ASSERT_GE(pool.kept_bytes(), size);
    ASSERT_EQ(pool.Take(size).size(), size);
    ASSERT_EQ(pool.kept_bytes(), 0u) << size;
  }
}

TEST(BytesPoolTest, KeepsNoMoreThanItsBoundAndOnlyWhatPoolsMake) {
  BytesPool pool(10'000);
  SharedBytes a = pool.Take(6000);
  SharedBytes b = pool.Take(6000);
  pool.Give(std::move(a));
  pool.Give(std::move(b));
  EXPECT_LE(pool.kept_bytes(), 10'000u);
  EXPECT_GT(pool.kept_bytes(), 0u);
  const std::size_t before = pool.kept_bytes();
  pool.Give(SharedBytes::Allocate(777));
  EXPECT_EQ(pool.kept_bytes(), before);
}

}  // namespace
}  // namespace cordwood
