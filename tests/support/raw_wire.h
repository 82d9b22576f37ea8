// SPDX-License-Identifier: Apache-2.0
// Bytes that no honest client sends: messages that are none, frames that are cut; and plain HTTP.
#pragma once

#include <grpcpp/channel.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "storage/base/reason.h"

namespace cordwood::testing {

// One unary call of `method` ("/package.Service/Method") with these bytes as its message; the answer's bytes.
StatusOr<std::string> CallRaw(const std::shared_ptr<grpc::Channel>& channel, const std::string& method, std::string_view message);
// The same for a streaming method: one message there, one back, then the stream's status if there was none.
StatusOr<std::string> CallRawStream(const std::shared_ptr<grpc::Channel>& channel, const std::string& method, std::string_view message);

// A TCP connection to "HOST:PORT". Every wait ends after 10 s.
class RawConnection {
 public:
  explicit RawConnection(const std::string& address);
  ~RawConnection();
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  bool Send(std::string_view bytes);
  // Up to the peer's close, or until what was read satisfies `enough`.
  template <class Enough>
  std::string ReadUntil(Enough enough) {
    std::string all;
    while (!enough(all) && ReadSome(&all)) {
    }
    return all;
  }
  std::string ReadAll() {
    return ReadUntil([](const std::string&) { return false; });
  }

 private:
  bool ReadSome(std::string* all);
  int fd_ = -1;
};

// HTTP/2 by hand. The preface and an empty SETTINGS frame; a frame; the headers of a gRPC call, with its deadline in gRPC's form ("500m": 500 ms) if any.
std::string Http2Opening();
std::string BigEndian32(std::uint32_t value);
std::string Http2Frame(int type, int flags, int stream, std::string_view payload);
std::string GrpcRequestHeaders(std::string_view path, int stream = 1, std::string_view timeout = "");
// The types of the frames in `bytes` that belong to `stream`.
std::string FrameTypes(std::string_view bytes, int stream);
// Whether the peer has ended the stream, with data or headers.
bool StreamEnded(std::string_view bytes, int stream);
inline constexpr int kDataFrame = 0, kHeadersFrame = 1, kResetFrame = 3;
inline constexpr int kEndStream = 1, kEndHeaders = 4;

struct HttpAnswer {
  int code = 0;                 // 0: none came
  std::string body;
};
HttpAnswer HttpGet(const std::string& address, const std::string& path);

}  // namespace cordwood::testing
