// SPDX-License-Identifier: Apache-2.0
// Connections let in are counted until a look finds them gone.
#include "broker/grpc/connections/connection_admission.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace cordwood::broker {
namespace {

class ConnectionAdmissionTest : public ::testing::Test {
 protected:
  static PeerAddress Host(int last) {
    PeerAddress address{};
    address[10] = address[11] = 0xff;
    address[12] = 10;
    address[15] = static_cast<std::uint8_t>(last);
    return address;
  }
  // What Admit() said; one that was let in is open.
  std::string Connect(int host) {
    std::string refusal = admission_.Admit(Host(host));
    if (refusal.empty()) ++open_.all, ++open_.by_peer[Host(host)];
    return refusal;
  }
  void Disconnect(int host) { --open_.all, --open_.by_peer[Host(host)]; }
  OpenConnections Look() {
    ++looks_;
    return open_;
  }

  SimulatedClock clock_;
  OpenConnections open_;
  int looks_ = 0;
  ConnectionAdmission admission_{{3, 2}, [this] { return Look(); }, clock_};
};

TEST_F(ConnectionAdmissionTest, BeyondTheLimitARefusalNamesTheSetting) {
  EXPECT_EQ(Connect(1) + Connect(2) + Connect(3), "");
  EXPECT_EQ(Connect(4), "max.connections = 3 connections are open");
}

TEST_F(ConnectionAdmissionTest, AnAddressHasALimitOfItsOwn) {
  EXPECT_EQ(Connect(1) + Connect(1), "");
  EXPECT_EQ(Connect(1), "max.connections.per.ip = 2 connections from 10.0.0.1 are open");
  EXPECT_EQ(Connect(2), "");
}

TEST_F(ConnectionAdmissionTest, WhatHasClosedMakesRoom) {
  EXPECT_EQ(Connect(1) + Connect(2) + Connect(3), "");
  EXPECT_EQ(looks_, 0);
  Disconnect(2);
  EXPECT_EQ(Connect(4), "");
  EXPECT_EQ(looks_, 1);
}

TEST_F(ConnectionAdmissionTest, ManyRefusalsCostOneLookAnInterval) {
  EXPECT_EQ(Connect(1) + Connect(2) + Connect(3), "");
  for (int i = 0; i < 100; ++i) EXPECT_NE(Connect(4), "");
  EXPECT_EQ(looks_, 1);
  Disconnect(1);
  EXPECT_NE(Connect(4), "");
  clock_.Advance(kLookInterval);
  EXPECT_EQ(Connect(4), "");
  EXPECT_EQ(looks_, 2);
}

}  // namespace
}  // namespace cordwood::broker
