// SPDX-License-Identifier: Apache-2.0
// Held addresses and the port file.
#include "broker/server/port_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace cordwood::broker {
namespace {

using ::testing::HasSubstr;

// As gRPC makes its own.
int ListenOn(std::uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 && listen(fd, 1) == 0) return fd;
  close(fd);
  return -1;
}

TEST(ReservedPortTest, PortZeroGivesAFreePortOnWhichOneServerCanListen) {
  const auto reserved = ReservedPort::Take({"127.0.0.1", 0});
  ASSERT_TRUE(reserved.ok()) << reserved.status();
  EXPECT_GT(reserved->address().port, 0);
  const int server = ListenOn(reserved->address().port);
  EXPECT_GE(server, 0);
  close(server);
}

TEST(ReservedPortTest, PortInUseIsRefusedByNameWithAWayOut) {
  const auto free = ReservedPort::Take({"127.0.0.1", 0});
  ASSERT_TRUE(free.ok());
  const int server = ListenOn(free->address().port);
  const auto refused = ReservedPort::Take(free->address());
  EXPECT_EQ(ReasonOf(refused.status()), Reason::kInvalidConfig);
  EXPECT_EQ(MessageOf(refused.status()),
            "cannot listen on " + free->address().ToString() + ": Address already in use; choose another with --listen");
  close(server);
}

TEST(ReservedPortTest, AddressOfAnotherMachineIsRefused) {
  const auto refused = ReservedPort::Take({"192.0.2.1", 0});
  EXPECT_EQ(ReasonOf(refused.status()), Reason::kInvalidConfig);
  EXPECT_THAT(MessageOf(refused.status()), HasSubstr("192.0.2.1:0: Cannot assign requested address"));
}

TEST(PortFileTest, HoldsBothLinesAndLeavesNothingElse) {
  const std::string directory = ::testing::TempDir() + "port_file_test_" + std::to_string(getpid());
  std::filesystem::create_directory(directory);
  ASSERT_EQ(WritePortFile(directory + "/ports", {"127.0.0.1", 1}, {"::1", 2}), absl::OkStatus());
  std::stringstream text;
  text << std::ifstream(directory + "/ports").rdbuf();
  EXPECT_EQ(text.str(), "grpc=127.0.0.1:1\nhttp=[::1]:2\n");
  EXPECT_FALSE(std::filesystem::exists(directory + "/ports.new"));
  std::filesystem::remove_all(directory);
}

TEST(PortFileTest, UnwritablePathIsNamed) {
  const Status refused = WritePortFile("/nonexistent/ports", {"h", 1}, {"h", 2});
  EXPECT_EQ(ReasonOf(refused), Reason::kStorageError);
  EXPECT_EQ(MessageOf(refused), "port file /nonexistent/ports.new: No such file or directory");
}

}  // namespace
}  // namespace cordwood::broker
