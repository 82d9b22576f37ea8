// SPDX-License-Identifier: Apache-2.0
// Plain sockets and files for the baselines: what fails ends the program with its reason.
#pragma once

#include <string_view>

namespace cordwood::testing {

int Checked(int result, const char* what);  // the result, unless it is negative
void WriteAll(int fd, std::string_view bytes);  // a file or a socket

struct LoopbackPair {
  int sender = -1;
  int receiver = -1;
};
LoopbackPair ConnectOverLoopback();

}  // namespace cordwood::testing
