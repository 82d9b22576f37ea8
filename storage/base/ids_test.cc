// SPDX-License-Identifier: Apache-2.0
// Facts about strong integers and 16-byte ids.
#include "storage/base/ids.h"

#include <gtest/gtest.h>

#include <set>
#include <type_traits>

#include "absl/hash/hash_testing.h"

namespace cordwood {
namespace {

static_assert(!std::is_convertible_v<std::int64_t, Offset>, "an offset is made explicitly");
static_assert(!std::is_constructible_v<Offset, LeaderEpoch>, "an epoch is no offset");
static_assert(sizeof(Offset) == sizeof(std::int64_t));

TEST(IdsTest, DistanceBetweenOffsetsIsACount) {
  EXPECT_EQ(Offset(12) - Offset(5), 7);
  EXPECT_EQ(Offset(5) + 7, Offset(12));
  EXPECT_EQ(Offset(12) - 7, Offset(5));
  EXPECT_LT(Offset(5), Offset(12));
  EXPECT_EQ(ToString(Offset(-3)), "-3");
}

TEST(IdsTest, HashesAgreeWithEquality) {
  EXPECT_TRUE(absl::VerifyTypeImplementsAbslHashCorrectly({Offset(0), Offset(1), Offset(-1)}));
  EXPECT_TRUE(absl::VerifyTypeImplementsAbslHashCorrectly({Uuid{}, Uuid::Random(), Uuid::Random()}));
}

TEST(IdsTest, RandomUuidsAreDistinctVersion4) {
  std::set<Uuid> seen;
  for (int i = 0; i < 1000; ++i) {
    const Uuid uuid = Uuid::Random();
    EXPECT_EQ(uuid.bytes[6] >> 4, 4);
    EXPECT_EQ(uuid.bytes[8] >> 6, 2);
    EXPECT_TRUE(seen.insert(uuid).second);
  }
}

TEST(IdsTest, UuidComesBackFromItsBytes) {
  const Uuid uuid = Uuid::Random();
  Uuid read;
  ASSERT_TRUE(Uuid::FromBytes(uuid.raw(), &read));
  EXPECT_EQ(read, uuid);
  EXPECT_FALSE(read.is_nil());
  EXPECT_TRUE(Uuid{}.is_nil());
}

TEST(IdsTest, UuidIsNotReadFromAnyOtherLength) {
  const std::string bytes(40, 'x');
  Uuid read;
  for (std::size_t n = 0; n <= bytes.size(); ++n) {
    EXPECT_EQ(Uuid::FromBytes(std::string_view(bytes).substr(0, n), &read), n == 16);
  }
}

TEST(IdsTest, UuidPrintsInFiveGroups) {
  Uuid uuid;
  for (int i = 0; i < 16; ++i) uuid.bytes[i] = static_cast<std::uint8_t>(i * 17);
  EXPECT_EQ(uuid.ToString(), "00112233-4455-6677-8899-aabbccddeeff");
}

}  // namespace
}  // namespace cordwood
