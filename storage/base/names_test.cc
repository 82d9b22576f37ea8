// SPDX-License-Identifier: Apache-2.0
// Facts about suggestions, and about maps searched by view.
#include "storage/base/names.h"

#include <gtest/gtest.h>

#include <vector>

#include "storage/base/strings.h"

namespace cordwood {
namespace {

const std::vector<std::string_view> kTopics = {"orders", "orders-eu", "payments", "clicks", "ab"};

TEST(EditDistanceTest, EachKindOfSlipCountsOne) {
  EXPECT_EQ(EditDistance("orders", "orders", 2), 0u);
  EXPECT_EQ(EditDistance("orders", "order", 2), 1u);
  EXPECT_EQ(EditDistance("orders", "oorders", 2), 1u);
  EXPECT_EQ(EditDistance("orders", "arders", 2), 1u);
  EXPECT_EQ(EditDistance("orders", "roders", 2), 1u);
  EXPECT_EQ(EditDistance("orders", "rodesr", 2), 2u);
}

TEST(EditDistanceTest, FartherThanMaxIsMaxPlusOne) {
  EXPECT_EQ(EditDistance("orders", "payments", 2), 3u);
  EXPECT_EQ(EditDistance("abcd", "wxyz", 2), 3u);
  EXPECT_EQ(EditDistance("", "abc", 2), 3u);
  EXPECT_EQ(EditDistance("abc", "", 3), 3u);
  EXPECT_EQ(EditDistance("", "", 0), 0u);
}

TEST(NearestNameTest, TheClosestCandidateIsSuggested) {
  EXPECT_EQ(NearestName("ordres", kTopics), "orders");
  EXPECT_EQ(NearestName("orders-ue", kTopics), "orders-eu");
  EXPECT_EQ(NearestName("paymnt", kTopics), "payments");
}

TEST(NearestNameTest, NothingNearIsNothing) {
  EXPECT_EQ(NearestName("inventory", kTopics), std::nullopt);
  EXPECT_EQ(NearestName("x", kTopics), std::nullopt);
  EXPECT_EQ(NearestName("", kTopics), std::nullopt);
  EXPECT_EQ(NearestName("orders", std::vector<std::string>()), std::nullopt);
}

TEST(NearestNameTest, OfEquallyCloseOnesTheFirstInTheAlphabetIsSuggested) {
  EXPECT_EQ(NearestName("bake", std::vector<std::string>{"make", "cake", "lake"}), "cake");
}

TEST(StringMapTest, IsSearchedByViewWithoutMakingAString) {
  StringMap<int> map;
  map["orders"] = 3;
  EXPECT_EQ(map.find(std::string_view("orders-eu").substr(0, 6))->second, 3);
  EXPECT_EQ(map.count(std::string_view("order")), 0u);
  EXPECT_EQ(ToStd(ToAbsl("view")), "view");
}

TEST(TopicNameTest, LegalNamesPass) {
  for (const std::string& name : {std::string("a"), std::string("Orders_2.x-y"), std::string(249, 'z'), std::string("...")}) {
    EXPECT_EQ(CheckTopicName(name), absl::OkStatus()) << name;
  }
}

TEST(TopicNameTest, IllegalNamesAreRefusedAndShownNoLongerThanTheyMayBe) {
  for (const std::string& name : {std::string(), std::string("."), std::string(".."), std::string(250, 'z'), std::string("a b"), std::string("a/b"),
                                  std::string("\xC3\xA4"), std::string("a\0b", 3), std::string(1 << 20, 'z')}) {
    EXPECT_EQ(ReasonOf(CheckTopicName(name)), Reason::kInvalidTopic) << name.substr(0, 249);
    EXPECT_LT(MessageOf(CheckTopicName(name)).size(), 400u);
  }
}

}  // namespace
}  // namespace cordwood
